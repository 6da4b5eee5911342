"""Requests and streams: who asks, how long to go on trying, and which errors come of it."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

import httpx
from httpx_sse import ServerSentEvent, aconnect_sse

from irisvue._connection import Verify, no_answer, open_http
from irisvue._errors import IrisvueError
from irisvue._given import Token, address_of, token_source

T = TypeVar("T")
PAUSES_S = (0.25, 0.5, 1, 2, 4, 8)
FIRST_PATIENCE_S = 1.5  # a server that has never answered is more likely misspelt than restarting
CONNECT_S = 10.0


@dataclass(frozen=True)
class Options:
    """How to connect; AsyncClient says what each means."""

    patience_s: float
    silent_s: float
    timeout_s: float
    verify: Verify
    proxy: str | None
    language: str | None


class Transport:
    """Connections to one server, with one caller's token. Every method raises IrisvueError."""

    def __init__(self, url: str | None, token: Token | None, options: Options) -> None:
        self.url, self._whence = address_of(url)
        self._token = token_source(token)
        self._renewable = callable(token)
        self._options = options
        self._answered = False
        connect_s = min(CONNECT_S, options.timeout_s)
        timeout = httpx.Timeout(options.timeout_s, connect=connect_s)
        self._stream_timeout = httpx.Timeout(options.timeout_s, connect=connect_s, read=options.silent_s)
        self._http = open_http(self.url, options.verify, options.proxy, base_url=self.url, timeout=timeout)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def json(self, method: str, path: str, key: str | None = None, **options: Any) -> Any:
        """The JSON of an answer; `key` is the request's Idempotency-Key, `options` are httpx's."""
        return (await self.request(method, path, key, **options)).json()

    async def request(self, method: str, path: str, key: str | None = None, **options: Any) -> httpx.Response:
        """One request; after a 401 it is sent again where the token comes from a function."""
        headers = {"Idempotency-Key": key} if key else {}
        try:
            answer = await self._http.request(method, path, headers=headers | self.auth(), **options)
            if answer.status_code == 401 and self._renewable:
                answer = await self._http.request(method, path, headers=headers | self.auth(), **options)
        except httpx.TransportError as error:
            raise self._no_answer(error) from error
        self._answered = True
        if answer.is_error:
            raise IrisvueError.of(answer)
        return answer

    async def fetch(self, url: str) -> bytes:
        """What lies at a signed address; it carries its own right, so the token is not sent."""

        async def get() -> bytes:
            try:
                answer = await plain.get(url)
            except httpx.TransportError as error:
                parts = urlsplit(url)  # without its signature
                raise no_answer(f"{parts.scheme}://{parts.netloc}", error) from error
            if answer.is_error:
                raise IrisvueError.of(answer)
            return answer.content

        options = self._options
        async with open_http(url, options.verify, options.proxy, timeout=options.timeout_s) as plain:
            return await self.patiently(get)

    async def pages(self, path: str, name: str, query: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
        """The rows of a list, from all of its pages."""
        page, seen = 1, 0
        while True:
            answer = await self.json("GET", path, params={**query, "page": page, "page_size": 100})
            for row in answer[name]:
                yield row
            seen += len(answer[name])
            if not answer[name] or seen >= answer["total"]:
                return
            page += 1

    async def patiently(self, send: Callable[[], Awaitable[T]]) -> T:
        """Call `send`, and again while that may help and patience lasts. It must be safe to repeat."""
        started = asyncio.get_running_loop().time()
        for tries in range(10_000):
            try:
                return await send()
            except IrisvueError as error:
                pause = error.retry_after or _pause(tries)
                if not error.retryable or self._late(started, pause):
                    raise
                await asyncio.sleep(pause)
        raise AssertionError

    async def follow(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """A stream's messages, each with its `event_id`; reconnects, and resumes where the connection broke."""
        last_id, tries, started = "", 0, asyncio.get_running_loop().time()
        while True:
            pause = _pause(tries)
            try:
                async with self._stream(path, last_id) as events:
                    async for event in events:
                        last_id, tries, started = event.id or last_id, 0, asyncio.get_running_loop().time()
                        if event.event == "heartbeat" or not event.data:
                            continue
                        yield {"event_id": event.id or None, **json.loads(event.data)}
            except IrisvueError as error:
                pause = error.retry_after or pause
                if not error.retryable or self._late(started, pause):
                    raise
            tries += 1
            await asyncio.sleep(pause)

    @asynccontextmanager
    async def _stream(self, path: str, last_id: str) -> AsyncIterator[AsyncIterator[ServerSentEvent]]:
        headers = self.auth() | ({"Last-Event-ID": last_id} if last_id else {})
        try:
            async with aconnect_sse(self._http, "GET", path, headers=headers, timeout=self._stream_timeout) as source:
                self._answered = True
                if source.response.is_error:
                    await source.response.aread()
                    raise IrisvueError.of(source.response)
                yield source.aiter_sse()
        except httpx.TransportError as error:
            raise self._no_answer(error) from error

    def _late(self, started: float, pause: float) -> bool:
        patience = self._options.patience_s
        if not self._answered:
            patience = min(patience, FIRST_PATIENCE_S)
        return asyncio.get_running_loop().time() + pause > started + patience

    def _no_answer(self, error: Exception) -> IrisvueError:
        return no_answer(self.url, error, "" if self._answered else self._whence)

    def auth(self) -> dict[str, str]:
        """The headers that say who asks, and in which language."""
        language = self._options.language
        return {"Authorization": f"Bearer {self._token()}"} | ({"Accept-Language": language} if language else {})


def _pause(tries: int) -> float:
    return PAUSES_S[min(tries, len(PAUSES_S) - 1)] * random.uniform(0.5, 1.5)  # noqa: S311
