"""Users choose which addresses we call: only public ones are allowed, checked when the connection is made.

A stack on a developer's machine also allows private ones. Link-local ones, where clouds hand out credentials, are
never allowed.
"""

import asyncio
import ipaddress
import re
import socket
from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import urlsplit

import httpcore

from orchestrator.errors import Invalid

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
CARRY_IPV4 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))  # NAT64, and what preceded it
# Where clouds hand out their machines' credentials beside link-local addresses: AWS, Alibaba, Oracle, Azure.
METADATA = {ipaddress.ip_address(a) for a in ("fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16")}
METADATA_NAMES = ("metadata", "instance-data")
LOCAL_NAMES = (".localhost", ".local", ".internal", ".home.arpa")
MAX_URL = 2000
Resolve = Callable[[str, int], Awaitable[list[str]]]
VISIBLE = re.compile(r"[!-~]+")
OLD_NUMBERS = re.compile(r"(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+)){0,3}", re.IGNORECASE)


class NotPublic(Exception):
    """The address is not public."""


def is_public(address: str) -> bool:
    """Whether this IP address is on the public internet; an IPv6 address that carries an IPv4 one counts as it."""
    ip = _reached(address)
    return ip.is_global and not ip.is_multicast and ip not in METADATA


def is_metadata(address: str) -> bool:
    """Whether a cloud's machine may get its own credentials here: any link-local address, and a few others."""
    ip = _reached(address)
    return ip.is_link_local or ip in METADATA


def _reached(address: str) -> Address:
    """The address that a connection ends at. Raises ValueError for a name."""
    host = address.partition("%")[0]
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        if not OLD_NUMBERS.fullmatch(host):
            raise
        ip = ipaddress.IPv4Address(_old_numbers(host))
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is None and any(ip in network for network in CARRY_IPV4) and int(ip) > 1:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        return inner or ip
    return ip


def _old_numbers(host: str) -> bytes:
    """169.254.43518, 0xa9fea9fe and 2852039166 are addresses for a resolver, too. Raises ValueError."""
    try:
        return socket.inet_aton(host)
    except OSError as error:
        raise ValueError(host) from error


def check_url(url: str, allow_private: bool) -> None:
    """Refuse what can't be the address of a webhook or of a browser's push service. Raises Invalid.

    Host names are resolved and checked later, when a connection is made.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise Invalid("This is not an address. Send one like https://app.example.com/irisvue.") from None
    if parts.scheme not in (("https", "http") if allow_private else ("https",)) or not host or len(url) > MAX_URL:
        raise Invalid("The address must begin with https:// and name a host.")
    if parts.username or parts.password or parts.fragment or not VISIBLE.fullmatch(url):
        raise Invalid("The address must not carry a user, a password, a fragment, blanks or special characters.")
    if _is_metadatas(host):
        raise Invalid(f"{host} is an address of the cloud's or the link's own, which is never called.")
    if not allow_private and _is_local(host):
        raise Invalid(f"{host} is not a public address.")


def _is_metadatas(host: str) -> bool:
    try:
        return is_metadata(host.rstrip("."))
    except ValueError:
        return host.split(".")[0].lower() in METADATA_NAMES


def _is_local(host: str) -> bool:
    name = host.rstrip(".").lower()
    try:
        return not is_public(name)
    except ValueError:
        return "." not in name or f".{name}".endswith(LOCAL_NAMES)


async def addresses_of(host: str, port: int) -> list[str]:
    """The IP addresses of a host. Raises OSError."""
    answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(answer[4][0]) for answer in answers))


class PublicOnly(httpcore.AsyncNetworkBackend):
    """Connects to public addresses only, and to the very address that was checked.

    A name that resolves to another address a moment later (DNS rebinding) changes nothing. Source: OWASP's cheat sheet
    on server-side request forgery.
    """

    def __init__(
        self, allow_private: bool, resolve: Resolve = addresses_of, inner: httpcore.AsyncNetworkBackend | None = None
    ) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._inner = inner or httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, check, connect. Raises NotPublic, or httpcore's errors."""
        try:
            addresses = await self._resolve(host, port)
        except OSError as error:
            raise httpcore.ConnectError(f"{host} can't be resolved") from error
        if any(map(is_metadata, addresses)):
            raise NotPublic(f"{host} resolves to an address of the cloud's or the link's own")
        if not self._allow_private and not all(map(is_public, addresses)):
            raise NotPublic(f"{host} resolves to an address that is not public")
        for address in addresses[:-1]:
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._inner.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
