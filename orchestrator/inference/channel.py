"""One gRPC channel to one Triton server or several; gRPC balances the load and leaves out servers that fail."""

import asyncio
import json
import socket
import time
from contextlib import suppress

import grpc
from tritonclient.grpc.aio import InferenceServerClient

from orchestrator.errors import ModelUnavailable
from orchestrator.proxies import is_loopback

MESSAGE_BYTES = 512 * 1024 * 1024  # a published model's file travels in one message
UNAVAILABLE = (str(grpc.StatusCode.UNAVAILABLE), str(grpc.StatusCode.DEADLINE_EXCEEDED), "StatusCode.CANCELLED")
REFRESH_S = 10.0
CHANNEL_OPTIONS = [
    ("grpc.max_send_message_length", MESSAGE_BYTES),
    ("grpc.max_receive_message_length", MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
]
# Round robin keeps sending calls to a frozen server; outlier detection leaves out a server that fails half of its calls
# (gRFC A50).
LOAD_BALANCING = {
    "loadBalancingConfig": [
        {
            "outlier_detection_experimental": {
                "interval": "1s",
                "baseEjectionTime": "5s",
                "maxEjectionTime": "30s",
                "maxEjectionPercent": 67,
                "failurePercentageEjection": {
                    "threshold": 50,
                    "enforcementPercentage": 100,
                    "minimumHosts": 1,
                    "requestVolume": 1,
                },
                "childPolicy": [{"round_robin": {}}],
            }
        }
    ]
}


def may_name_several(url: str) -> bool:
    """Whether the setting may name more than one server."""
    return "," in url or url.startswith("dns:")


def _servers(url: str) -> list[str]:
    return url.removeprefix("dns:").lstrip("/").split(",")


async def addresses(url: str) -> list[str]:
    """`host:port` of every server that the setting names. Raises ModelUnavailable for a name that can't be resolved."""
    resolved = []
    for server in _servers(url):
        host, _, port = server.strip().rpartition(":")
        try:
            infos = await asyncio.get_running_loop().getaddrinfo(host, int(port), family=socket.AF_INET)
        except (OSError, ValueError) as error:
            raise ModelUnavailable(
                f"{server!r} in IRISVUE_TRITON_URL is not a host:port that can be resolved."
            ) from error
        resolved += [f"{address[0]!s}:{port}" for *_, address in infos]
    return list(dict.fromkeys(resolved))


class Servers:
    """How many servers the setting names; a name is resolved again after REFRESH_S, since servers come and go."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._several = False
        self._good_until = 0.0

    async def several(self) -> bool:
        """Whether another server may answer where one does not. Never raises: a name server's pause changes nothing."""
        if may_name_several(self._url) and time.monotonic() > self._good_until:
            self._good_until = time.monotonic() + REFRESH_S
            with suppress(ModelUnavailable):
                self._several = len(await addresses(self._url)) > 1
        return self._several


async def open_channel(url: str) -> InferenceServerClient:
    """A client of the server or servers that the setting names."""
    options: list[tuple[str, int | str]] = [*CHANNEL_OPTIONS]
    if may_name_several(url):
        options += [("grpc.lb_policy_name", "round_robin"), ("grpc.service_config", json.dumps(LOAD_BALANCING))]
    if all(is_loopback(server.rpartition(":")[0]) for server in _servers(url)):
        options.append(("grpc.enable_http_proxy", 0))
    target = "ipv4:" + ",".join(await addresses(url)) if "," in url else url
    return InferenceServerClient(target, channel_args=options)
