"""Only public addresses are called, and the one that was checked is the one that is connected to."""

import asyncio
import socket
from collections.abc import Iterable
from typing import Any

import httpcore
import pytest

from orchestrator.errors import Invalid
from orchestrator.notifications.public_addresses import NotPublic, PublicOnly, check_url, is_public


@pytest.mark.parametrize(
    "address",
    "127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 255.255.255.255 ::1 ::"
    " fe80::1 fe80::1%eth0 fc00::1 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1"
    " 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 2002:7f00:1::"
    " 2001:0:4136:e378:8000:63bf:80ff:fffe".split(),
)
def test_private_addresses_in_every_dress(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", "8.8.8.8 1.1.1.1 2606:4700:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808".split())
def test_public_addresses(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "https://",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://localhost/",
        "https://redis:6379/",
        "https://metadata.google.internal/",
        "https://printer.local./",
        "https://user:password@example.com/",
        "https://example.com/#part",
        "https://example.com:99999/",
        "https://exa mple.com/",
        "https://exämple.com/",
        "https://[broken/",
        "https://example.com/\r\nX: y",
        "https://example.com/" + "a" * 2000,
        "",
    ],
)
def test_addresses_that_no_webhook_may_have(url: str) -> None:
    with pytest.raises(Invalid):
        check_url(url, allow_private=False)


def test_addresses_that_a_webhook_may_have() -> None:
    check_url("https://app.example.com:8443/hooks?x=1", allow_private=False)
    check_url("http://127.0.0.1:9000/", allow_private=True)


class Recorder(httpcore.AsyncNetworkBackend):
    """Writes down where a connection would go."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.asked.append(host)
        raise httpcore.ConnectError("as far as this goes")


def resolver(*answers: list[str]) -> Any:
    """A resolver that says something else each time, as in DNS rebinding."""
    left = list(answers)

    async def getaddrinfo(host: str, port: int, **_: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in left.pop(0)]

    return getaddrinfo


async def test_a_name_that_changes_after_the_check_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolver(["8.8.8.8"], ["127.0.0.1"]))
    backend, recorder = PublicOnly(allow_private=False), Recorder()
    backend._inner = recorder
    with pytest.raises(httpcore.ConnectError):
        await backend.connect_tcp("rebinding.example.com", 443)
    assert recorder.asked == ["8.8.8.8"]
    with pytest.raises(NotPublic):
        await backend.connect_tcp("rebinding.example.com", 443)
    assert recorder.asked == ["8.8.8.8"]


async def test_one_private_address_among_public_ones_is_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolver(["8.8.8.8", "169.254.169.254"]))
    with pytest.raises(NotPublic):
        await PublicOnly(allow_private=False).connect_tcp("mixed.example.com", 443)


async def test_a_name_of_this_machine_is_refused_where_it_is_called() -> None:
    with pytest.raises(NotPublic):
        await PublicOnly(allow_private=False).connect_tcp("localhost", 443)
