"""The address of Redis: redis-py's own, and `redis+sentinel://` for a Redis that Sentinels watch."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool
from redis.exceptions import RedisError

from orchestrator.addresses.parts import Address, AddressError, one, split, unknown_option

SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
PORT, SENTINEL_PORT = 6379, 26379
CONNECT_S = 1.0  # unless the address says otherwise
TLS_OPTIONS = {
    "ssl_ca_certs", "ssl_ca_data", "ssl_certfile", "ssl_check_hostname", "ssl_cert_reqs", "ssl_ciphers", "ssl_keyfile",
}  # fmt: skip
SENTINEL_OPTIONS = {"sentinel_username", "sentinel_password"}
OPTIONS = TLS_OPTIONS | {
    "client_name", "db", "health_check_interval", "max_connections", "password", "retry_on_timeout",
    "socket_connect_timeout", "socket_keepalive", "socket_timeout", "username",
}  # fmt: skip
PYTHONS_WORDS = {"cert_none": "none", "cert_optional": "optional", "cert_required": "required"}


def target(url: str) -> str:
    """Where the address leads, for messages: host:port, a path, or the Sentinels. Raises AddressError."""
    address = split(url)
    return address.path if address.scheme == "unix" else ",".join(f"{host}:{port}" for host, port in _servers(address))


def _servers(address: Address) -> list[tuple[str, int]]:
    default = SENTINEL_PORT if "+sentinel" in address.scheme else PORT
    parts = [re.fullmatch(r"\[?(.*?)\]?(?::(\d+))?", host) for host in (address.hosts or "localhost").split(",")]
    return [(match[1], int(match[2] or default)) for match in parts if match]


def pool(url: str, **more: Any) -> ConnectionPool:
    """A pool of connections, none of them open yet; `more` goes to each connection. Raises AddressError."""
    address = split(url)
    if address.scheme not in SCHEMES:
        raise AddressError(f"it must begin with one of {', '.join(f'{scheme}://' for scheme in SCHEMES)}")
    _check_options(address)
    try:
        if "+sentinel" in address.scheme:
            return _sentinel_pool(address, more)
        made = ConnectionPool(**_arguments(address) | more)
        _check_tls(made)
    except AddressError:
        raise
    except (RedisError, ValueError, TypeError):  # their words may repeat a part of the address
        raise AddressError("one of its options has a value that redis-py does not take") from None
    return made


def _check_options(address: Address) -> None:
    tls, sentinel = address.scheme.startswith("rediss"), "+sentinel" in address.scheme
    for name, values in address.options.items():
        one(values, name)
        if name in TLS_OPTIONS and not tls:
            raise AddressError(f"its option {name} needs {'rediss+sentinel' if sentinel else 'rediss'}:// in front")
        if name not in OPTIONS | (SENTINEL_OPTIONS if sentinel else set()):
            raise unknown_option(name, OPTIONS)
    if address.scheme == "unix":
        if address.hosts or not address.path.strip("/"):
            raise AddressError("a Unix socket is written unix:///path/to/socket")
    elif not sentinel and "," in address.hosts:
        raise AddressError("it names several servers; only redis+sentinel:// takes several")
    elif not sentinel and not (address.path.strip("/") or "0").isdecimal():
        raise AddressError("what follows the / must be the number of a database")


def _arguments(address: Address) -> dict[str, Any]:
    """What redis-py reads in an address of one server."""
    options: Mapping[str, Any] = parse_url(
        f"{address.scheme}://{address.login}{address.hosts}{address.path}?{address.query}"
    )
    arguments = {"socket_connect_timeout": CONNECT_S, **options}
    if address.scheme == "rediss":
        reqs = str(arguments.get("ssl_cert_reqs", "required")).lower()
        arguments["ssl_cert_reqs"] = PYTHONS_WORDS.get(reqs, reqs)
        arguments.setdefault("ssl_check_hostname", arguments["ssl_cert_reqs"] == "required")
    return arguments


def _check_tls(pool: ConnectionPool) -> None:
    """Raises AddressError unless the files that the address names can be read."""
    connection = pool.make_connection()  # type: ignore[no-untyped-call]
    if not isinstance(connection, SSLConnection):
        return
    try:
        connection.ssl_context.get()
    except ssl.SSLError:
        raise AddressError("a file that its ssl_ options name is no certificate or key") from None
    except OSError as error:
        words = f"{error.filename or 'a file that its ssl_ options name'} can't be read ({error.strerror})"
        raise AddressError(words) from None


class WatchedPool(SentinelConnectionPool):
    """A pool that also closes its connections to the Sentinels."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Close what is idle, or everything."""
        await super().disconnect(inuse_connections)
        if inuse_connections:
            for sentinel in self.sentinel_manager.sentinels:
                await sentinel.aclose()


def _sentinel_pool(address: Address, more: Mapping[str, Any]) -> ConnectionPool:
    """`redis+sentinel://user:password@sentinel:26379,sentinel:26379/name-of-the-master/0`."""
    name, _, number = address.path.strip("/").partition("/")
    if not name or not address.hosts or not (number or "0").isdecimal():
        raise AddressError("it must name Sentinels, master and database: //host:26379,host:26379/mymaster/0")
    own = {key: one(values, key) for key, values in address.options.items() if key in SENTINEL_OPTIONS}
    query = "&".join(part for part in address.query.split("&") if part.partition("=")[0] not in own)
    scheme = address.scheme.partition("+")[0]
    arguments = _arguments(replace(address, scheme=scheme, hosts="", path=f"/{number}", query=query))
    if scheme == "rediss":
        _check_tls(ConnectionPool(**arguments))
    arguments.pop("connection_class", None)
    tls = {"ssl": scheme == "rediss"}
    shared = {key: value for key, value in arguments.items() if key.startswith(("socket_", "ssl_"))}
    login = {key.removeprefix("sentinel_"): value for key, value in own.items()}
    sentinels = Sentinel(_servers(address), 0, shared | login | tls)  # type: ignore[no-untyped-call]
    return WatchedPool(name, sentinels, **arguments, **more, **tls)  # type: ignore[no-untyped-call]
