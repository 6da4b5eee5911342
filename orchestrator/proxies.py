"""Keeps what runs on this machine out of the proxies that the environment names."""

import ipaddress
import os
from collections.abc import MutableMapping

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")
LOOPBACK = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1")  # each library reads another of these


def keep_loopback_direct(environ: MutableMapping[str, str] = os.environ) -> None:
    """Add the loopback addresses to `no_proxy`, which every library reads, where the environment names a proxy."""
    if not any(environ.get(name) or environ.get(name.upper()) for name in PROXIES):
        return
    given = [*environ.get("no_proxy", "").split(","), *environ.get("NO_PROXY", "").split(",")]
    hosts = dict.fromkeys(host.strip() for host in (*given, *LOOPBACK) if host.strip())
    environ["no_proxy"] = environ["NO_PROXY"] = ",".join(hosts)


def is_loopback(host: str) -> bool:
    """Whether this name or address leads to this machine only."""
    name = host.strip("[]").rstrip(".").lower()
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")
