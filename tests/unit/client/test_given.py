"""What the Python client says of an address or a token that can't be used, before it sends anything."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from irisvue import AsyncClient, AuthError, Client, IrisvueError
from tests.receivers import Receiver, receiver

FROM_ENVIRONMENT = None


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as server:
        server.always = lambda _: (200, {}, b'{"jobs": [], "total": 0}')
        yield server


async def jobs(url: str, token: str | Callable[[], str] | None) -> list[Any]:
    async with AsyncClient(url, token, patience_s=0) as client:
        return [job async for job in client.jobs()]


@pytest.mark.parametrize("way", ["argument", "environment", "function"])
async def test_blanks_around_a_token_are_not_sent(way: str, server: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRISVUE_TOKEN", " abc\r\n")
    ways: dict[str, Any] = {"argument": "abc\n", "environment": FROM_ENVIRONMENT, "function": lambda: "abc\n"}
    assert await jobs(server.url, ways[way]) == []


NO_TOKENS: list[tuple[Any, str]] = [
    (FROM_ENVIRONMENT, "IRISVUE_TOKEN is not set; `irisvue token` prints one."),
    ("", "The token is empty; `irisvue token` prints one."),
    ("\n", "The token is empty; `irisvue token` prints one."),
    (lambda: "", "What the token function returns is empty; it must return a token."),
    (lambda: None, "What the token function returns is a NoneType, not a text; it must return a token."),
    ("abc\ndef", r"The token is no token: it has '\n' in it. Copy it again, whole."),
    ("abc…", "The token is no token: it has '…' in it. Copy it again, whole."),
]


@pytest.mark.parametrize(("token", "words"), NO_TOKENS)
async def test_what_is_no_token_is_not_sent(
    token: Any, words: str, server: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IRISVUE_TOKEN", raising=False)
    with pytest.raises(AuthError) as refused:
        await jobs(server.url, token)
    assert (refused.value.detail, refused.value.code) == (words, "unauthorized")
    assert not refused.value.retryable and not server.received
    with Client(server.url, token) as client, pytest.raises(AuthError):
        client.upload(b"eye")
    assert not server.received


NO_ADDRESSES = {
    "127.0.0.1:8000": "127.0.0.1:8000 is no address: it begins with http:// or https://",
    "iris.example.com": "iris.example.com is no address: it begins with http:// or https://",
    "ws://iris.example.com": "ws://iris.example.com is no address: it begins with http:// or https://",
    "http://": "http:// is no address; http://127.0.0.1:8000 is one.",
    "http://127.0.0.1:80x": "http://127.0.0.1:80x is no address; http://127.0.0.1:8000 is one.",
    "http://[::1": "http://[::1 is no address; http://127.0.0.1:8000 is one.",
}


@pytest.mark.parametrize("address", NO_ADDRESSES)
@pytest.mark.parametrize("way", ["argument", "environment"])
def test_what_is_no_address_is_said_at_once(address: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRISVUE_URL", address)
    with pytest.raises(IrisvueError) as refused:
        Client(address if way == "argument" else None, "x")
    assert (refused.value.detail, refused.value.code) == (NO_ADDRESSES[address], "address")
    assert not refused.value.retryable


async def test_blanks_around_an_address_are_no_mistake(server: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRISVUE_URL", f"{server.url}/\n")
    async with AsyncClient(token="x") as client:
        assert client.url == server.url and [job async for job in client.jobs()] == []
