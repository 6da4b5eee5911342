"""The client for asyncio."""

import asyncio
import json
import os
import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import httpx
from httpx_sse import ServerSentEvent, aconnect_sse

from irisvue._bars import Step, progress_bar
from irisvue._connection import Verify, no_answer, open_http
from irisvue._errors import IrisvueError, JobFailed
from irisvue._values import Event, Job, Photo

T = TypeVar("T")
Source = str | Path | bytes
OnProgress = Callable[[float], None]
Point = tuple[float, float]
PAUSES_S = (0.25, 0.5, 1, 2, 4, 8)
SILENT_S = 45.0  # three heartbeats missed


class AsyncClient:
    """`async with AsyncClient(url, token) as client: …`. Every method raises IrisvueError.

    Args:
        url: address of the API, without a path. Default: IRISVUE_URL.
        token: a bearer token, or a function that returns one and is called again after a 401. Default: IRISVUE_TOKEN.
        patience_s: how long `upload`, `submit` and `watch` keep trying while the server does not answer.
        silent_s: how long a stream may be silent before its connection is taken for dead and made anew. The server has
            something to say every 15 seconds.
        verify: a file or folder of certificate authorities, an ssl.SSLContext, or False. Default: those of the machine
            or, where they are set, of SSL_CERT_FILE and SSL_CERT_DIR.

        language: of the words for people, as Accept-Language has it: de, or fr-CH, de;q=0.8. Default: English.

    Proxies are those of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY), except for this machine itself.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | Callable[[], str] | None = None,
        patience_s: float = 60.0,
        silent_s: float = SILENT_S,
        verify: Verify = True,
        language: str | None = None,
    ) -> None:
        self.url = (url or os.environ.get("IRISVUE_URL", "http://127.0.0.1:8000")).rstrip("/")
        source = os.environ.get("IRISVUE_TOKEN", "") if token is None else token
        self._token: Callable[[], str] = source if callable(source) else lambda: source
        self._renewable = callable(source)
        self._patience_s = patience_s
        self._stream_timeout = httpx.Timeout(60, read=silent_s)
        self._verify = verify
        self._language = {"Accept-Language": language} if language else {}
        self._http = open_http(self.url, verify, base_url=self.url, timeout=httpx.Timeout(60, read=SILENT_S))

    async def __aenter__(self) -> Self:
        """Open."""
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Close."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    # Photos
    async def upload(self, photo: Source, name: str | None = None, on_progress: OnProgress | None = None) -> Photo:
        """Upload a photo: JPEG, PNG, WebP, HEIC or AVIF. A broken connection is tried again, and makes no second photo.

        Args:
            photo: a path, or the bytes themselves.
            name: the file's name; only for logs.
            on_progress: called with the share that has been sent, 0–1.
        """
        data = photo if isinstance(photo, bytes) else await asyncio.to_thread(Path(photo).read_bytes)
        filename = name or (Path(photo).name if isinstance(photo, str | Path) else "photo")
        key = secrets.token_hex(16)

        async def send() -> Photo:
            files = {"file": (filename, _Counted(data, on_progress))}
            return Photo.of(await self._json("POST", "/api/v1/photos", files=files, key=key))

        return await self._patiently(send)

    async def photo(self, photo_id: str) -> Photo:
        """One photo."""
        return Photo.of(await self._json("GET", f"/api/v1/photos/{photo_id}"))

    async def photos(self) -> AsyncIterator[Photo]:
        """All photos, newest first."""
        async for row in self._pages("/api/v1/photos", "photos", {}):
            yield Photo.of(row)

    async def delete_photo(self, photo_id: str) -> None:
        """Delete a photo and everything made from it."""
        await self._request("DELETE", f"/api/v1/photos/{photo_id}")

    # Jobs
    async def submit(
        self, photo_id: str, *, preview: bool = False, priority: str = "interactive", at: Point | None = None
    ) -> Job:
        """Start processing a photo; `priority` is interactive or background.

        `at` says where the eye is: x and y, 0–1 of the upright photo's width and height.
        """
        key = secrets.token_hex(16)
        body = {"photo_id": photo_id, "preview": preview, "priority": priority, **_hint(at)}

        async def send() -> Job:
            return Job.of(await self._json("POST", "/api/v1/processing/submit", json=body, key=key))

        return await self._patiently(send)

    async def submit_batch(self, photo_ids: Iterable[str], *, at: Point | None = None) -> list[Job]:
        """Start processing one to ten photos, all or none, in this order; `at` as in `submit`, for each of them."""
        body = {"photo_ids": list(photo_ids), **_hint(at)}
        accepted = await self._json("POST", "/api/v1/processing/batch", json=body, key=secrets.token_hex(16))
        return [Job.of(row) for row in accepted["jobs"]]

    async def job(self, job_id: str) -> Job:
        """One job, with newly signed addresses."""
        return Job.of(await self._json("GET", f"/api/v1/processing/jobs/{job_id}"))

    async def jobs(self, *, status: str | None = None, photo_id: str | None = None) -> AsyncIterator[Job]:
        """All jobs, newest first."""
        query = {name: value for name, value in {"status": status, "photo_id": photo_id}.items() if value}
        async for row in self._pages("/api/v1/processing/jobs", "jobs", query):
            yield Job.of(row)

    async def reprocess(self, job_id: str, *, at: Point | None = None) -> Job:
        """A new job for the same photo; `at` as in `submit`."""
        path = f"/api/v1/processing/jobs/{job_id}/reprocess"
        body = _hint(at) or None
        return Job.of(await self._json("POST", path, json=body, key=secrets.token_hex(16)))

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job that has not ended."""
        return Job.of(await self._json("POST", f"/api/v1/processing/jobs/{job_id}/cancel"))

    # Progress
    async def watch(self, job_id: str) -> AsyncIterator[Event]:
        """A job's messages up to its last one. A broken connection is resumed where it broke."""
        async for event in self._follow(f"/api/v1/processing/jobs/{job_id}/events"):
            yield event
            if event.last:
                return

    async def watch_all(self) -> AsyncIterator[Event]:
        """Messages of all of the caller's jobs; never ends."""
        async for event in self._follow("/api/v1/processing/events"):
            yield event

    async def process(self, photo: Source, *, show: bool = False, on_step: Step | None = None) -> Job:
        """Upload a photo, submit it, and follow the job to its end.

        Args:
            photo: a path, or the bytes themselves.
            show: draw a progress bar (needs the package rich).
            on_step: called with the percentage and the step in words.

        Raises:
            JobFailed: no picture was made; the error says why, and what to do.
        """
        with progress_bar(Path(photo).name if isinstance(photo, str | Path) else "photo", show, on_step) as step:
            step(0, "Uploading...")
            uploaded = await self.upload(photo, on_progress=lambda share: step(5 * share, "Uploading..."))
            job = await self.submit(uploaded.id)
            async for event in self.watch(job.job_id):
                step(event.progress, event.step)
        ended = await self._patiently(lambda: self.job(job.job_id))
        if ended.status != "completed":
            raise JobFailed(ended)
        return ended

    # Results
    async def result(self, job: Job) -> bytes:
        """The finished picture, a JPEG."""
        return await self._fetch(job.result_url or (await self.job(job.job_id)).result_url)

    async def mask(self, job: Job) -> bytes:
        """The iris with its pupil, a one-channel PNG on the upright photo's grid: 255 inside, 0 outside."""
        return await self._fetch(job.mask_url or (await self.job(job.job_id)).mask_url)

    async def save(self, job: Job, path: str | Path) -> Path:
        """Write the finished picture to a file; returns its path."""
        data = await self.result(job)
        await asyncio.to_thread(Path(path).write_bytes, data)
        return Path(path)

    # Internals
    async def _fetch(self, url: str | None) -> bytes:
        if url is None:
            raise IrisvueError("This job has no picture.", 404, "not_found")

        async def get() -> bytes:
            try:
                answer = await plain.get(url)
            except httpx.TransportError as error:
                parts = urlsplit(url)  # without its signature
                raise no_answer(f"{parts.scheme}://{parts.netloc}", error) from error
            if answer.is_error:
                raise IrisvueError.of(answer)
            return answer.content

        async with open_http(url, self._verify, timeout=60) as plain:  # the link carries its own signature
            return await self._patiently(get)

    async def _pages(self, path: str, name: str, query: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
        page, seen = 1, 0
        while True:
            answer = await self._json("GET", path, params={**query, "page": page, "page_size": 100})
            for row in answer[name]:
                yield row
            seen += len(answer[name])
            if not answer[name] or seen >= answer["total"]:
                return
            page += 1

    def _no_answer(self, error: Exception) -> IrisvueError:
        return no_answer(self.url, error)

    async def _json(self, method: str, path: str, key: str | None = None, **options: Any) -> Any:
        return (await self._request(method, path, key, **options)).json()

    async def _request(self, method: str, path: str, key: str | None = None, **options: Any) -> httpx.Response:
        headers = {"Idempotency-Key": key} if key else {}
        try:
            answer = await self._http.request(method, path, headers=headers | self._auth(), **options)
            if answer.status_code == 401 and self._renewable:
                answer = await self._http.request(method, path, headers=headers | self._auth(), **options)
        except httpx.TransportError as error:
            raise self._no_answer(error) from error
        if answer.is_error:
            raise IrisvueError.of(answer)
        return answer

    def _auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token()}", **self._language}

    async def _patiently(self, send: Callable[[], Awaitable[T]]) -> T:
        """Call `send`, and again while that may help, for `patience_s`. It must be safe to repeat."""
        deadline = asyncio.get_running_loop().time() + self._patience_s
        for tries in range(10_000):
            try:
                return await send()
            except IrisvueError as error:
                pause = error.retry_after_s or _pause(tries)
                if not error.retryable or asyncio.get_running_loop().time() + pause > deadline:
                    raise
                await asyncio.sleep(pause)
        raise AssertionError

    async def _follow(self, path: str) -> AsyncIterator[Event]:
        last_id, tries, deadline = "", 0, self._deadline()
        while True:
            pause = _pause(tries)
            try:
                async with self._stream(path, last_id) as events:
                    async for event in events:
                        last_id, tries, deadline = event.id or last_id, 0, self._deadline()
                        if event.event == "heartbeat" or not event.data:
                            continue
                        yield Event.of({"event_id": event.id or None, **json.loads(event.data)})
            except IrisvueError as error:
                pause = error.retry_after_s or pause
                if not error.retryable or asyncio.get_running_loop().time() + pause > deadline:
                    raise
            tries += 1
            await asyncio.sleep(pause)

    def _deadline(self) -> float:
        return asyncio.get_running_loop().time() + self._patience_s

    @asynccontextmanager
    async def _stream(self, path: str, last_id: str) -> AsyncIterator[AsyncIterator[ServerSentEvent]]:
        headers = self._auth() | ({"Last-Event-ID": last_id} if last_id else {})
        try:
            async with aconnect_sse(self._http, "GET", path, headers=headers, timeout=self._stream_timeout) as source:
                if source.response.is_error:
                    await source.response.aread()
                    raise IrisvueError.of(source.response)
                yield source.aiter_sse()
        except httpx.TransportError as error:
            raise self._no_answer(error) from error


def _pause(tries: int) -> float:
    return PAUSES_S[min(tries, len(PAUSES_S) - 1)] * random.uniform(0.5, 1.5)  # noqa: S311


class _Counted(BytesIO):
    """Bytes that report how much of them has been read."""

    def __init__(self, data: bytes, on_progress: OnProgress | None) -> None:
        super().__init__(data)
        self._on_progress, self._size = on_progress, max(len(data), 1)

    def read(self, size: int | None = -1) -> bytes:
        """Read on."""
        data = super().read(size)
        if self._on_progress:
            self._on_progress(min(self.tell() / self._size, 1.0))
        return data


def _hint(at: Point | None) -> dict[str, Any]:
    return {"at": {"x": at[0], "y": at[1]}} if at else {}
