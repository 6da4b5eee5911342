"""The address of Redis: redis-py's own reading, and a sentence for every mistake."""

from pathlib import Path

import pytest
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.sentinel import SentinelConnectionPool, SentinelManagedSSLConnection

from orchestrator.addresses import redis
from orchestrator.addresses.parts import AddressError
from tests.tls import authority_file


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://h", {"host": "h"}),
        ("redis://h:1/", {"host": "h", "port": 1}),
        ("redis://h:1/3/", {"db": 3}),
        ("redis://h:1?db=4", {"db": 4}),
        ("redis://h:1/3?db=4", {"db": 4}),
        ("redis://:p%40s%2Fs%25@h/0", {"password": "p@s/s%", "host": "h"}),
        ("redis://me:p@ss/w#r?d@h:2/1", {"username": "me", "password": "p@ss/w#r?d", "host": "h", "port": 2, "db": 1}),
        ("redis://h?username=me&password=p%40ss", {"username": "me", "password": "p@ss"}),
        ("redis://[::1]:7/0", {"host": "::1", "port": 7}),
        ("redis://h?socket_timeout=2.5&socket_keepalive=yes", {"socket_timeout": 2.5, "socket_keepalive": True}),
        ("redis://h", {"socket_connect_timeout": 1.0}),
        ("redis://h?socket_connect_timeout=9", {"socket_connect_timeout": 9.0}),
        ("unix:///run/redis.sock?db=2", {"path": "/run/redis.sock", "db": 2}),
        ("unix://me:p%40ss@/run/redis.sock", {"path": "/run/redis.sock", "username": "me", "password": "p@ss"}),
        ("rediss://h?ssl_cert_reqs=CERT_NONE", {"ssl_cert_reqs": "none", "ssl_check_hostname": False}),
        ("rediss://h", {"ssl_cert_reqs": "required", "ssl_check_hostname": True}),
        ("rediss://h?ssl_check_hostname=false", {"ssl_check_hostname": False}),
    ],
)
def test_what_is_read(url: str, expected: dict[str, object]) -> None:
    pool = redis.pool(url)
    assert expected.items() <= pool.connection_kwargs.items()
    kinds = {"unix": UnixDomainSocketConnection, "rediss": SSLConnection, "redis": Connection}
    assert pool.connection_class is kinds[url.partition(":")[0]]


def test_certificates(tmp_path: Path) -> None:
    authority = authority_file(tmp_path)
    pool = redis.pool(f"rediss://h?ssl_ca_certs={authority}")
    assert pool.connection_kwargs["ssl_ca_certs"] == str(authority)


def test_sentinels() -> None:
    pool = redis.pool("rediss+sentinel://me:p%40ss@s1,s2:5/mymaster/3?sentinel_password=x%2Fy&socket_timeout=2")
    assert isinstance(pool, SentinelConnectionPool)
    assert pool.service_name == "mymaster" and pool.connection_class is SentinelManagedSSLConnection
    assert {
        "username": "me",
        "password": "p@ss",
        "db": 3,
        "socket_timeout": 2.0,
    }.items() <= pool.connection_kwargs.items()
    sentinels = [sentinel.connection_pool.connection_kwargs for sentinel in pool.sentinel_manager.sentinels]
    assert [(s["host"], s["port"], s["password"]) for s in sentinels] == [("s1", 26379, "x/y"), ("s2", 5, "x/y")]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("hunter2", "does not begin with a scheme"),
        ("http://:hunter2@h", "must begin with one of redis://, rediss://"),
        ("redis://:hunter2@h:port/0", "can't be told apart"),
        ("redis://:hunter2@h:70000", "a number up to 65535"),
        ("redis://:hunter2@h/zero", "must be the number of a database"),
        ("redis://:hunter2@h/1/2", "must be the number of a database"),
        ("redis://:hunter2@h?db=hunter2", "has a value that redis-py does not take"),
        ("redis://:hunter2@h?db=1&db=2", "its option db is given 2 times"),
        ("redis://:hunter2@h?max_connections=-1", "has a value that redis-py does not take"),
        ("redis://:hunter2@h?socket_timeot=1", "no option socket_timeot; did you mean socket_timeout?"),
        ("redis://:hunter2@h?decode_responses=true", "no option decode_responses"),
        ("redis://:hunter2@h?ssl_ca_certs=/x", "ssl_ca_certs needs rediss:// in front"),
        ("rediss://:hunter2@h?ssl_cert_reqs=hunter2", "has a value that redis-py does not take"),
        ("rediss://:hunter2@h?ssl_ca_certs=/nowhere.pem", "can't be read (No such file or directory)"),
        ("rediss://:hunter2@h?ssl_ca_certs=" + __file__, "no certificate or key"),
        ("redis://:hunter2@h,h2", "names several servers"),
        ("unix://:hunter2@", "unix:///path/to/socket"),
        ("unix://h/run/redis.sock", "unix:///path/to/socket"),
        ("redis+sentinel://:hunter2@s1,s2", "must name Sentinels, master and database"),
        ("redis+sentinel://:hunter2@s1/mymaster/x", "must name Sentinels, master and database"),
        ("redis+sentinel://:hunter2@s1/mymaster?sentinel_name=x", "no option sentinel_name"),
    ],
)
def test_every_mistake_is_a_sentence(url: str, words: str) -> None:
    with pytest.raises(AddressError) as refused:
        redis.pool(url)
    assert words in refused.value.detail and "hunter2" not in refused.value.detail


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://:p@h", "h:6379"),
        ("redis://:p@/0", "localhost:6379"),
        ("unix://:p@/run/redis.sock", "/run/redis.sock"),
        ("redis+sentinel://:p@s1,s2:5/m", "s1:26379,s2:5"),
    ],
)
def test_where_it_leads(url: str, expected: str) -> None:
    assert redis.target(url) == expected
