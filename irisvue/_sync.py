"""The client for programs without asyncio: the asynchronous one, run in a thread of its own."""

import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
from anyio.from_thread import BlockingPortal

from irisvue._async import SILENT_S, WEEK_S, AsyncClient, Detail, Eyes, Point
from irisvue._bars import Step
from irisvue._connection import Verify
from irisvue._given import Token
from irisvue._sources import OnProgress, Source
from irisvue._values import Event, Job, Photo, Share

T = TypeVar("T")


class Client:
    """`with Client(url, token) as client: …`. The methods are those of AsyncClient; iterators are plain ones."""

    def __init__(
        self,
        url: str | None = None,
        token: Token | None = None,
        patience_s: float = 60.0,
        silent_s: float = SILENT_S,
        verify: Verify = True,
        language: str | None = None,
        proxy: str | None = None,
        timeout_s: float = SILENT_S,
    ) -> None:
        self._portal = _portal()
        make = partial(AsyncClient, url, token, patience_s, silent_s, verify, language, proxy, timeout_s)
        try:
            self._client = self._portal.call(make)
        except BaseException:
            _end(self._portal, None)
            raise
        self.url = self._client.url
        self._end = weakref.finalize(self, _end, self._portal, self._client)  # at the latest when the program ends

    def __enter__(self) -> Self:
        """Open."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close the connections, end the thread."""
        self._end()

    def _wait(self, work: Callable[[], Awaitable[T]]) -> T:
        return self._portal.call(work)

    def _each(self, items: AsyncIterator[T]) -> Iterator[T]:
        while True:
            try:
                yield self._portal.call(items.__anext__)
            except StopAsyncIteration:
                return

    def upload(self, photo: Source, name: str | None = None, on_progress: OnProgress | None = None) -> Photo:
        """See AsyncClient.upload."""
        return self._wait(lambda: self._client.upload(photo, name, on_progress))

    def photo(self, photo_id: str) -> Photo:
        """See AsyncClient.photo."""
        return self._wait(lambda: self._client.photo(photo_id))

    def photos(self, *, status: str | None = None) -> Iterator[Photo]:
        """See AsyncClient.photos."""
        return self._each(self._client.photos(status=status))

    def delete_photos(self, photo_ids: Iterable[str]) -> list[str]:
        """See AsyncClient.delete_photos."""
        return self._wait(lambda: self._client.delete_photos(photo_ids))

    def delete_photo(self, photo_id: str) -> None:
        """See AsyncClient.delete_photo."""
        self._wait(lambda: self._client.delete_photo(photo_id))

    def submit(
        self,
        photo_id: str,
        *,
        preview: bool = False,
        priority: str = "interactive",
        at: Point | None = None,
        detail: Detail | None = None,
        eyes: Eyes | None = None,
    ) -> Job:
        """See AsyncClient.submit."""
        return self._wait(
            lambda: self._client.submit(photo_id, preview=preview, priority=priority, at=at, detail=detail, eyes=eyes)
        )

    def submit_batch(
        self,
        photo_ids: Iterable[str],
        *,
        preview: bool = False,
        priority: str = "interactive",
        at: Point | None = None,
        detail: Detail | None = None,
        eyes: Eyes | None = None,
    ) -> list[Job]:
        """See AsyncClient.submit_batch."""
        options = partial(self._client.submit_batch, photo_ids, preview=preview, priority=priority)
        return self._wait(lambda: options(at=at, detail=detail, eyes=eyes))

    def share(self, job_id: str, expires_in_s: int = WEEK_S) -> Share:
        """See AsyncClient.share."""
        return self._wait(lambda: self._client.share(job_id, expires_in_s))

    def shares(self, job_id: str) -> list[Share]:
        """See AsyncClient.shares."""
        return self._wait(lambda: self._client.shares(job_id))

    def revoke(self, share: Share) -> None:
        """See AsyncClient.revoke."""
        self._wait(lambda: self._client.revoke(share))

    def request(self, method: str, path: str, **options: Any) -> Any:
        """See AsyncClient.request."""
        return self._wait(lambda: self._client.request(method, path, **options))

    def pages(self, path: str, name: str, query: dict[str, str]) -> Iterator[dict[str, Any]]:
        """See AsyncClient.pages."""
        return self._each(self._client.pages(path, name, query))

    def job(self, job_id: str) -> Job:
        """See AsyncClient.job."""
        return self._wait(lambda: self._client.job(job_id))

    def jobs(self, *, status: str | None = None, photo_id: str | None = None) -> Iterator[Job]:
        """See AsyncClient.jobs."""
        return self._each(self._client.jobs(status=status, photo_id=photo_id))

    def reprocess(
        self, job_id: str, *, at: Point | None = None, detail: Detail | None = None, eyes: Eyes | None = None
    ) -> Job:
        """See AsyncClient.reprocess."""
        return self._wait(lambda: self._client.reprocess(job_id, at=at, detail=detail, eyes=eyes))

    def cancel(self, job_id: str) -> Job:
        """See AsyncClient.cancel."""
        return self._wait(lambda: self._client.cancel(job_id))

    def watch(self, job_id: str) -> Iterator[Event]:
        """See AsyncClient.watch."""
        return self._each(self._client.watch(job_id))

    def watch_all(self) -> Iterator[Event]:
        """See AsyncClient.watch_all."""
        return self._each(self._client.watch_all())

    def process(self, photo: Source, *, show: bool = False, on_step: Step | None = None) -> Job:
        """See AsyncClient.process."""
        return self._wait(lambda: self._client.process(photo, show=show, on_step=on_step))

    def result(self, job: Job) -> bytes:
        """See AsyncClient.result."""
        return self._wait(lambda: self._client.result(job))

    def mask(self, job: Job) -> bytes:
        """See AsyncClient.mask."""
        return self._wait(lambda: self._client.mask(job))

    def save(self, job: Job, path: str | Path) -> Path:
        """See AsyncClient.save."""
        return self._wait(lambda: self._client.save(job, path))


def _portal() -> BlockingPortal:
    """An event loop in a daemon thread: a program that forgets to close its client ends all the same."""
    opened: Future[BlockingPortal] = Future()

    async def serve() -> None:
        async with BlockingPortal() as portal:
            opened.set_result(portal)
            await portal.sleep_until_stopped()

    threading.Thread(target=anyio.run, args=[serve], name="irisvue", daemon=True).start()
    return opened.result()


def _end(portal: BlockingPortal, client: AsyncClient | None) -> None:
    """Close the connections, end the thread."""
    if client:
        portal.call(client.aclose)
    portal.start_task_soon(portal.stop)
