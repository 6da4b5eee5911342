"""The address of PostgreSQL: libpq's options, read by asyncpg as they were meant, and a sentence for every mistake."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from asyncpg.connect_utils import _parse_connect_arguments  # the reader whose answer counts

from orchestrator.addresses import postgresql
from orchestrator.addresses.parts import AddressError
from tests.tls import authority_file


@pytest.fixture(autouse=True)
def no_variables_of_libpq(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGSSLMODE", "PGSSLROOTCERT", "PGPASSFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def read_by_asyncpg(url: str) -> tuple[list[Any], Any]:
    """The servers, and the parameters of a connection."""
    names = (
        "dsn host port user password passfile database ssl direct_tls server_settings target_session_attrs krbsrvname"
    )
    given: dict[str, Any] = dict.fromkeys(f"{names} gsslib service servicefile command_timeout".split())
    sizes = {"statement_cache_size": 0, "max_cached_statement_lifetime": 0, "max_cacheable_statement_size": 0}
    arguments = postgresql.arguments(url)
    arguments.pop("timeout", None)
    servers, parameters, _ = _parse_connect_arguments(**given | sizes | arguments)
    return servers, parameters


@pytest.mark.parametrize(
    ("url", "servers", "expected"),
    [
        ("u:p@h/db", [("h", 5432)], {"user": "u", "password": "p", "database": "db"}),
        ("u:p%40%2F%3A%25%23@h:1/d%20b", [("h", 1)], {"password": "p@/:%#", "database": "d b"}),
        ("u:a@b/c:d#e?f@h:1/db", [("h", 1)], {"user": "u", "password": "a@b/c:d#e?f"}),
        ("u@h1:1,h2:2/db?target_session_attrs=read-write", [("h1", 1), ("h2", 2)], {}),
        ("u:p@/db?host=h1,h2&port=1,2", [("h1", 1), ("h2", 2)], {}),
        ("u:p@/db?host=h1:1&host=h2:2", [("h1", 1), ("h2", 2)], {}),
        ("u:p@/db?host=/var/run/postgresql", ["/var/run/postgresql/.s.PGSQL.5432"], {"password": "p"}),
        ("u:p@%2Fvar%2Frun/db", ["/var/run/.s.PGSQL.5432"], {}),
        ("u:p@[::1]:1/db", [("::1", 1)], {}),
        ("u:p@h?dbname=db", [("h", 5432)], {"database": "db"}),
        ("u@h/db?password=p%40", [("h", 5432)], {"password": "p@"}),
        ("u@h/db?options=-c%20statement_timeout%3D5s", [("h", 5432)], {}),
        ("u@h/db?keepalives_idle=30&channel_binding=prefer&gssencmode=disable&pgbouncer=true", [("h", 5432)], {}),
    ],
)
def test_what_is_read(url: str, servers: list[Any], expected: dict[str, Any]) -> None:
    read, parameters = read_by_asyncpg("postgresql+asyncpg://" + url)
    assert read == servers
    assert {name: getattr(parameters, name) for name in expected} == expected


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_the_schemes_that_providers_hand_out(scheme: str) -> None:
    assert read_by_asyncpg(f"{scheme}://u:p@h/db?sslmode=require")[0] == [("h", 5432)]


def test_what_the_server_is_told() -> None:
    _, parameters = read_by_asyncpg("postgresql+asyncpg://u@h/db?options=-c%20lock_timeout%3D5s&connect_timeout=3")
    assert parameters.server_settings == {"options": "-c lock_timeout=5s", "application_name": "irisvue"}
    assert postgresql.arguments("postgresql+asyncpg://u@h/db?connect_timeout=3")["timeout"] == 3
    assert read_by_asyncpg("postgresql+asyncpg://u@h/db?application_name=x")[1].server_settings == {
        "application_name": "x"
    }


@pytest.mark.parametrize(
    ("options", "verified", "host_checked"),
    [
        ("sslmode=require", False, False),
        ("ssl=true", False, False),
        ("sslmode=verify-ca&sslrootcert={ca}", True, False),
        ("sslmode=verify-full&sslrootcert={ca}", True, True),
        ("sslmode=verify-full", True, True),  # by the machine's own authorities
        ("sslrootcert=system", True, True),
    ],
)
def test_certificates_are_checked(options: str, verified: bool, host_checked: bool, tmp_path: Path) -> None:
    options = options.format(ca=authority_file(tmp_path))
    context = read_by_asyncpg(f"postgresql+asyncpg://u:p@h/db?{options}")[1].ssl
    assert (context.verify_mode == ssl.CERT_REQUIRED, context.check_hostname) == (verified, host_checked)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("hunter2", "does not begin with a scheme"),
        ("host=db password=hunter2", "does not begin with a scheme"),
        ("mysql://u:hunter2@h/db", "must begin with postgresql+asyncpg://"),
        ("postgresql+asyncpg://u:hunter2@h:port/db", "can't be told apart"),
        ("postgresql+asyncpg://u:hunter2@h:99999/db", "a number up to 65535"),
        ("postgresql+asyncpg://u:hunter2@h", "must name one database"),
        ("postgresql+asyncpg://u:hunter2@h/a/b", "must name one database"),
        ("postgresql+asyncpg://u:hunter2@/db", "must name a host"),
        ("postgresql+asyncpg://u:hunter2@h/db?sslmode=hunter2", "sslmode must be one of disable, allow"),
        ("postgresql+asyncpg://u:hunter2@h/db?sslmod=require", "no option sslmod; did you mean sslmode?"),
        ("postgresql+asyncpg://u:hunter2@h/db?sslmode=a&sslmode=b", "sslmode is given 2 times"),
        ("postgresql+asyncpg://u:hunter2@h/db?sslrootcert=/nowhere.pem", "/nowhere.pem, which can't be read"),
        ("postgresql+asyncpg://u:hunter2@h/db?sslrootcert=" + __file__, "which holds no certificate"),
        ("postgresql+asyncpg://u:hunter2@h/db?sslcert=/nowhere.pem", "sslcert names /nowhere.pem"),
        ("postgresql+asyncpg://u:hunter2@h/db?target_session_attrs=best", "target_session_attrs must be one of any"),
        ("postgresql+asyncpg://u:hunter2@h/db?connect_timeout=soon", "connect_timeout must be a number"),
        ("postgresql+asyncpg://u:hunter2@h/db?channel_binding=require", "channel_binding has a value that"),
        ("postgresql+asyncpg://u:hunter2@h/db?require_auth=scram-sha-256", "no option require_auth"),
    ],
)
def test_every_mistake_is_a_sentence(url: str, words: str) -> None:
    with pytest.raises(AddressError) as refused:
        postgresql.arguments(url)
    assert words in refused.value.detail and "hunter2" not in refused.value.detail


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("u:p@h/db", "h:5432"),
        ("u:p@h1:1,h2/db", "h1:1,h2:5432"),
        ("u:p@/db?host=/var/run/postgresql", "/var/run/postgresql"),
        ("u:p@/db?host=h1&port=6", "h1:6"),
    ],
)
def test_where_it_leads(url: str, expected: str) -> None:
    assert postgresql.target("postgresql+asyncpg://" + url) == expected
