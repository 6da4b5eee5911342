"""The address of PostgreSQL: libpq's options after SQLAlchemy's `postgresql+asyncpg://`, translated for asyncpg."""

import os
import re
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlencode

from orchestrator.addresses.parts import Address, AddressError, one, split, unknown_option

SCHEMES = ("postgresql+asyncpg", "postgresql", "postgres")  # the last two are what providers hand out
PORT = 5432
LIBPQ_ROOT = Path("~/.postgresql/root.crt")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
SESSION_ATTRS = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")
FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")
WHERE = ("host", "port", "dbname", "database", "user", "password")  # also in front of the options
TLS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword", "sslcrl", "sslnegotiation",
       "ssl_min_protocol_version", "ssl_max_protocol_version")  # fmt: skip
SERVER = ("application_name", "options", "search_path", "statement_timeout", "lock_timeout", "timezone",
          "idle_in_transaction_session_timeout", "idle_session_timeout")  # fmt: skip
# libpq's options that asyncpg has not: with these values the connection is the same without them.
NOT_NEEDED = {
    "gssencmode": "disable|prefer", "channel_binding": "disable|prefer", "sslcompression": "0", "sslsni": "1",
    "client_encoding": "auto|utf-?8", "keepalives": "1", "keepalives_idle": r"\d+", "keepalives_interval": r"\d+",
    "keepalives_count": r"\d+", "tcp_user_timeout": r"\d+", "fallback_application_name": ".*", "pgbouncer": "true",
    "prepared_statement_cache_size": "0", "statement_cache_size": "0",
}  # fmt: skip
KNOWN = (*WHERE, *TLS, *SERVER, *NOT_NEEDED, "passfile", "target_session_attrs", "connect_timeout", "ssl")


def arguments(url: str, application_name: str = "irisvue") -> dict[str, Any]:
    """What `asyncpg.connect` takes for this address. Raises AddressError."""
    address = split(url)
    options = _options(address)
    if address.path.count("/") > 1 or not (address.path.strip("/") or options.get("dbname")):
        raise AddressError("it must name one database after the host: /irisvue")
    if not address.hosts and not options.get("host") and not os.environ.get("PGHOST"):
        raise AddressError("it must name a host: //user:password@host/irisvue, or ?host=/var/run/postgresql")
    timeout = {"timeout": float(options.pop("connect_timeout"))} if "connect_timeout" in options else {}
    system = {"ssl": ssl.create_default_context()} if _trusts_the_system(options) else {}
    options = {"application_name": application_name, **options}
    dsn = f"postgresql://{address.login}{address.hosts}{address.path}?{urlencode(options)}"
    return {"dsn": dsn, **timeout, **system}


def target(url: str) -> str:
    """Where the address leads, for messages: host:port, or a folder with a Unix socket. Raises AddressError."""
    address = split(url)
    hosts = address.hosts or ",".join(address.options.get("host", [])) or os.environ.get("PGHOST", "")
    port = (address.options.get("port") or [str(PORT)])[0]
    return ",".join(h if "/" in h or re.search(r":\d+$", h) else f"{h}:{port}" for h in unquote(hosts).split(","))


def _trusts_the_system(options: dict[str, str]) -> bool:
    """Whether a verified connection trusts the machine's own authorities; `sslrootcert` then is for asyncpg no more."""
    given = options.get("sslrootcert") or os.environ.get("PGSSLROOTCERT")
    verified = options.get("sslmode", os.environ.get("PGSSLMODE", "")).startswith("verify-")
    if given == "system" or (verified and not given and not LIBPQ_ROOT.expanduser().exists()):
        options.pop("sslrootcert", None)
        options.pop("sslmode", None)
        return True
    return False


def _options(address: Address) -> dict[str, str]:
    """Libpq's options, checked; those that change nothing are left out."""
    if address.scheme not in SCHEMES:
        raise AddressError(f"it must begin with {SCHEMES[0]}://, or with postgresql://")
    options = {}
    for name, values in address.options.items():
        if name not in KNOWN:
            raise unknown_option(name, KNOWN)
        value = ",".join(values) if name in ("host", "port") else one(values, name)
        if name in NOT_NEEDED:
            if not re.fullmatch(NOT_NEEDED[name], value, re.IGNORECASE):
                raise AddressError(f"its option {name} has a value that this service can't keep")
            continue
        options["sslmode" if name == "ssl" else "dbname" if name == "database" else name] = value
    _check(options)
    return options


def _check(options: dict[str, str]) -> None:
    mode = options.get("sslmode", "prefer")
    options |= {"sslmode": "require"} if mode.lower() in ("true", "1", "on") else {}
    for name, allowed in (("sslmode", (*SSL_MODES, "true", "1", "on")), ("target_session_attrs", SESSION_ATTRS)):
        if name in options and options[name] not in allowed:
            raise AddressError(f"its option {name} must be one of {', '.join(allowed[:6])}")
    for name in ("port", "connect_timeout"):
        if name in options and not re.fullmatch(r"\d{1,5}(,\d{1,5})*", options[name]):
            raise AddressError(f"its option {name} must be a number")
    for name in FILES:
        if options.get(name, "system") != "system" and not os.access(options[name], os.R_OK):
            raise AddressError(f"its option {name} names {options[name]}, which can't be read")
    if (root := options.get("sslrootcert", "system")) != "system":
        try:
            ssl.create_default_context(cafile=root)
        except (ssl.SSLError, OSError):
            raise AddressError(f"its option sslrootcert names {root}, which holds no certificate") from None
