"""Loopback addresses stay out of the environment's proxies, for every library."""

import asyncio
import urllib.request

import httpx
import pytest
import requests
from tritonclient.utils import InferenceServerException

from orchestrator.config import Settings
from orchestrator.inference.channel import open_channel
from orchestrator.proxies import is_loopback, keep_loopback_direct
from orchestrator.storage import Storage
from tests.receivers import receiver

DEAD = "http://127.0.0.1:9"
NAMES = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@pytest.fixture(params=["", "example.com"])
def dead_proxy(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """An environment whose proxy does not answer, and that may exempt somebody else."""
    for name in NAMES:
        monkeypatch.setenv(name, DEAD)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, request.param)


@pytest.mark.usefixtures("dead_proxy")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_libraries_of_all_kinds_reach_this_machine(host: str) -> None:
    keep_loopback_direct()
    bucket = {"storage_url": "s3://photos", "s3_access_key_id": "key", "s3_secret_access_key": "secret"}
    with receiver() as server:
        server.always = lambda _: (200, {"ETag": "x"}, b"here")
        url = server.url.replace("127.0.0.1", host)
        assert httpx.get(url).text == "here"
        assert requests.get(url, timeout=5).text == "here"
        assert urllib.request.urlopen(url, timeout=5).read() == b"here"
        asyncio.run(Storage(Settings.model_validate(bucket | {"s3_endpoint": url})).put("a", b"data", "text/plain"))
    assert [request.path for request in server.received] == ["/", "/", "/", "/photos/a"]


@pytest.mark.usefixtures("dead_proxy")
async def test_triton_on_this_machine_is_called_directly(unused_tcp_port: int) -> None:
    """Nothing listens there. A proxy would be the one that is refused."""
    for url in (f"127.0.0.1:{unused_tcp_port}", f"dns:///localhost:{unused_tcp_port}"):
        client = await open_channel(url)
        with pytest.raises(InferenceServerException) as refused:
            await client.is_server_live(client_timeout=2)
        await client.close()
        assert f":{unused_tcp_port}" in str(refused.value) and ":9:" not in str(refused.value), refused.value


def test_an_environment_without_a_proxy_is_left_alone() -> None:
    environ = {"PATH": "/bin", "no_proxy": "a.example"}
    keep_loopback_direct(environ)
    assert environ == {"PATH": "/bin", "no_proxy": "a.example"}


def test_what_was_exempt_stays_exempt() -> None:
    environ = {"https_proxy": DEAD, "NO_PROXY": "a.example, .b.example", "no_proxy": "c.example"}
    keep_loopback_direct(environ)
    assert environ["no_proxy"] == environ["NO_PROXY"]
    assert environ["no_proxy"].startswith("c.example,a.example,.b.example,localhost,127.0.0.1,")


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("127.3.2.1", True),
        ("[::1]", True),
        ("a.localhost", True),
        ("10.0.0.1", False),
        ("a", False),
    ],
)
def test_what_is_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback(host) == loopback
