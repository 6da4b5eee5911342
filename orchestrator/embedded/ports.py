"""Ports of this machine: free ones, taken ones, and whether a server listens on one."""

import asyncio
import errno
import ipaddress
import secrets
import socket
from contextlib import suppress
from pathlib import Path

from orchestrator.errors import SetupError

HOST = "127.0.0.1"
LOWEST_PORT, HIGHEST_PORT = 10_000, 65_535
LINUX_EPHEMERAL_PORT = 32_768
ENOUGH_PORTS = 2_000
CONNECT_S = 1.0


def _choices() -> range:
    """Ports that the kernel gives to no outgoing connection, so that none is taken before our server listens on it."""
    try:
        ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        ephemeral = LINUX_EPHEMERAL_PORT
    if ephemeral > LOWEST_PORT + ENOUGH_PORTS:
        return range(LOWEST_PORT, ephemeral)
    return range(LOWEST_PORT, HIGHEST_PORT + 1)


def free_port() -> int:
    """A port of the loopback address on which nothing listens, and which no outgoing connection will be given."""
    while True:
        port = secrets.choice(_choices())
        with socket.socket() as listener:
            try:
                listener.bind((HOST, port))
            except OSError:
                continue
            return port


def is_loopback(host: str) -> bool:
    """Whether this address, or the name localhost, is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def bind_error(host: str, port: int) -> OSError | None:
    """Why a server could not listen on this port now; None where it could."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error
    return None


def web_address(host: str, port: int, *, https: bool = False) -> str:
    """The address of a server here, as browsers take it: an IPv6 address in brackets."""
    scheme = "https" if https else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def wanted_or_free_port(host: str, wanted: int) -> int:
    """The port wanted, or a free one for 0. Raises SetupError where another program has it."""
    if not wanted:
        return free_port()
    error = bind_error(host, wanted)
    if error is None:
        return wanted
    if error.errno == errno.EADDRINUSE:
        raise SetupError(f"Port {wanted} is taken by another program. Choose one with --port.")
    raise SetupError(f"{host} is not an address of this machine that can be listened on.")


async def listens(port: int) -> bool:
    """Whether something accepts connections on this loopback port."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(HOST, port), CONNECT_S)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return True
