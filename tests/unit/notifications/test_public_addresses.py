"""Only public addresses are called, and the one that was checked is the one that is connected to."""

from collections.abc import Iterable

import httpcore
import pytest

from orchestrator.errors import Invalid
from orchestrator.notifications.public_addresses import (
    NotPublic,
    PublicOnly,
    Resolve,
    check_url,
    is_metadata,
    is_public,
)


@pytest.mark.parametrize(
    "address",
    "127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 224.0.0.1 255.255.255.255 ::1 ::"
    " fe80::1 fe80::1%eth0 fc00::1 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1"
    " 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 2002:7f00:1::"
    " 2001:0:4136:e378:8000:63bf:80ff:fffe".split(),
)
def test_private_addresses_in_every_notation(address: str) -> None:
    assert not is_public(address)


METADATA = (
    "169.254.169.254 169.254.0.1 fe80::1 fe80::1%eth0 ::ffff:169.254.169.254 ::ffff:a9fe:a9fe ::169.254.169.254"
    " 64:ff9b::a9fe:a9fe 2002:a9fe:a9fe:: fd00:ec2::254 100.100.100.200 192.0.0.192 168.63.129.16"
    " ::ffff:168.63.129.16 2852039166 0xa9fea9fe 0xA9.0xFE.0xA9.0xFE 169.254.43518 0251.0376.0251.0376"
).split()


@pytest.mark.parametrize("address", METADATA)
def test_metadata_addresses_are_never_allowed(address: str) -> None:
    assert is_metadata(address) and not is_public(address)
    host = f"[{address.partition('%')[0]}]" if ":" in address else address
    for url in (f"http://{host}/latest/meta-data", f"https://{host}:8080/", f"http://{host}./"):
        if not url.endswith("]./"):
            with pytest.raises(Invalid):
                check_url(url, allow_private=True)


@pytest.mark.parametrize("name", ["metadata.google.internal", "METADATA.google.internal.", "metadata", "instance-data"])
def test_names_of_metadata_services_are_never_allowed(name: str) -> None:
    with pytest.raises(Invalid):
        check_url(f"http://{name}/", allow_private=True)


@pytest.mark.parametrize("address", METADATA[:13])
async def test_a_name_that_leads_to_metadata_is_never_called(address: str) -> None:
    recorder = Recorder()
    for answers in ([address], ["10.0.0.1", address]):
        backend = PublicOnly(allow_private=True, resolve=resolver(answers), inner=recorder)
        with pytest.raises(NotPublic):
            await backend.connect_tcp("app.example.com", 443)
    assert recorder.connected_to == []


@pytest.mark.parametrize("address", "127.0.0.1 10.1.2.3 192.168.1.1 fd12:3456::1 ::1 2130706433 0.0.0.0".split())
def test_private_addresses_are_allowed_to_a_developer(address: str) -> None:
    check_url(f"http://[{address}]/" if ":" in address else f"http://{address}/", allow_private=True)
    with pytest.raises(Invalid):
        check_url(f"https://[{address}]/" if ":" in address else f"https://{address}/", allow_private=False)


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
def test_urls_that_no_webhook_may_have(url: str) -> None:
    with pytest.raises(Invalid):
        check_url(url, allow_private=False)


def test_urls_that_a_webhook_may_have() -> None:
    check_url("https://app.example.com:8443/hooks?x=1", allow_private=False)
    check_url("http://127.0.0.1:9000/", allow_private=True)


class Recorder(httpcore.AsyncNetworkBackend):
    """Writes down where a connection would go, and makes none."""

    def __init__(self) -> None:
        self.connected_to: list[str] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.connected_to.append(host)
        raise httpcore.ConnectError("no connection is made")


def resolver(*answers: list[str]) -> Resolve:
    """A resolver with another answer each time, as in DNS rebinding."""
    left = iter(answers)

    async def resolve(host: str, port: int) -> list[str]:
        return next(left)

    return resolve


async def test_the_address_that_was_checked_is_the_one_that_is_called() -> None:
    recorder = Recorder()
    backend = PublicOnly(allow_private=False, resolve=resolver(["8.8.8.8"], ["127.0.0.1"]), inner=recorder)
    with pytest.raises(httpcore.ConnectError):
        await backend.connect_tcp("rebinding.example.com", 443)
    assert recorder.connected_to == ["8.8.8.8"]
    with pytest.raises(NotPublic):
        await backend.connect_tcp("rebinding.example.com", 443)
    assert recorder.connected_to == ["8.8.8.8"]


async def test_one_private_address_among_public_ones_is_refused() -> None:
    backend = PublicOnly(allow_private=False, resolve=resolver(["8.8.8.8", "169.254.169.254"]))
    with pytest.raises(NotPublic):
        await backend.connect_tcp("mixed.example.com", 443)


async def test_a_name_of_this_machine_is_refused_when_it_is_called() -> None:
    with pytest.raises(NotPublic):
        await PublicOnly(allow_private=False).connect_tcp("localhost", 443)


async def test_a_name_that_cannot_be_resolved_is_a_failed_connection() -> None:
    async def fail(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(httpcore.ConnectError, match=r"nowhere\.example\.com can't be resolved"):
        await PublicOnly(allow_private=False, resolve=fail).connect_tcp("nowhere.example.com", 443)
