"""The Python client: proxies and authorities of the environment, and the certificate named as the cause."""

import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from irisvue import AsyncClient, Client, IrisvueError
from tests.receivers import Receiver, receiver
from tests.tls import server_certificate, tls_receiver

JOB = b'{"jobs": [], "total": 0}'
PROXY_NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    return server_certificate(tmp_path)[1]


@pytest.fixture
def private(tmp_path: Path, authority: Path) -> Iterator[str]:
    """An API whose certificate a private authority has signed."""
    with tls_receiver(tmp_path / "server.pem", (200, {}, JOB)) as url:
        yield url


async def jobs(url: str, **options: Any) -> list[Any]:
    async with AsyncClient(url, "token", patience_s=0, **options) as client:
        return [job async for job in client.jobs()]


async def test_the_certificate_is_named_as_the_cause_and_not_tried_again(private: str) -> None:
    async with AsyncClient(private, "token", patience_s=60) as client:
        with pytest.raises(IrisvueError) as refused:
            await client.submit("photo")
    assert refused.value.code == "certificate" and not refused.value.retryable
    assert f"The certificate of {private} is not trusted: unable to get local issuer" in refused.value.detail
    assert "verify=FILE, or SSL_CERT_FILE" in refused.value.detail


WAYS: dict[str, Callable[[Path], Any]] = {
    "file": str,
    "path": lambda path: path,
    "context": lambda path: ssl.create_default_context(cafile=str(path)),
    "nobody": lambda _: False,
}


@pytest.mark.parametrize("way", WAYS)
async def test_verify(private: str, authority: Path, way: str) -> None:
    assert await jobs(private, verify=WAYS[way](authority)) == []


async def test_the_authorities_of_the_environment(
    private: str, authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    assert await jobs(private) == []
    with pytest.raises(IrisvueError, match="IP address mismatch"):
        await jobs(private.replace("localhost", "127.0.0.1"))


@pytest.mark.parametrize(("name", "value"), [("SSL_CERT_FILE", "/nowhere.pem"), ("verify", __file__)])
async def test_authorities_that_can_not_be_read(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"verify": value} if name == "verify" else {}
    if not options:
        monkeypatch.setenv(name, value)
    with pytest.raises(IrisvueError, match=f"{name} names {value}, which holds no certificates"):
        Client("https://iris.example.com", "token", **options)  # type: ignore[arg-type]


@pytest.fixture
def proxy() -> Iterator[Receiver]:
    """A proxy: it gets the whole address of what is asked for."""
    with receiver() as server:
        server.always = lambda _: (200, {}, JOB)
        yield server


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
async def test_the_proxy_of_the_environment(proxy: Receiver, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, proxy.url)
    assert await jobs("http://iris.example.com") == []
    assert proxy.received[0].path.startswith("http://iris.example.com/api/v1/processing/jobs")
    monkeypatch.setenv("no_proxy", "iris.invalid")
    with pytest.raises(IrisvueError, match=r"http://iris\.invalid does not answer"):
        await jobs("http://iris.invalid")


@pytest.mark.parametrize("proxied", ["http://127.0.0.1:9", "socks5://me:hunter2@proxy:1080", "nonsense"])
async def test_this_machine_is_called_directly(proxy: Receiver, proxied: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxied)
    for host in ("127.0.0.1", "localhost"):
        assert await jobs(proxy.url.replace("127.0.0.1", host)) == []
    assert all(request.path.startswith("/api") for request in proxy.received)


@pytest.mark.parametrize("proxied", ["socks5://me:hunter2@proxy:1080", "ftp://me:hunter2@proxy"])
async def test_a_proxy_that_can_not_be_used(proxied: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxied)
    with pytest.raises(IrisvueError, match="proxy that the environment names can't be used") as refused:
        Client("http://iris.example.com", "token")
    assert "hunter2" not in refused.value.detail and not refused.value.retryable
