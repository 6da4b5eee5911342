"""The client for programs without asyncio: the asynchronous one, run in a thread of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from anyio.from_thread import start_blocking_portal

from irisvue._async import SILENT_S, AsyncClient, OnProgress, Point, Source
from irisvue._bars import Step
from irisvue._connection import Verify
from irisvue._values import Event, Job, Photo

T = TypeVar("T")


class Client:
    """`with Client(url, token) as client: …`. The methods are those of AsyncClient; iterators are plain ones."""

    def __init__(
        self,
        url: str | None = None,
        token: str | Callable[[], str] | None = None,
        patience_s: float = 60.0,
        silent_s: float = SILENT_S,
        verify: Verify = True,
        language: str | None = None,
    ) -> None:
        with ExitStack() as exits:
            self._portal = exits.enter_context(start_blocking_portal())
            self._client = self._portal.call(AsyncClient, url, token, patience_s, silent_s, verify, language)
            self._exits = exits.pop_all()
        self.url = self._client.url

    def __enter__(self) -> Self:
        """Open."""
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Close the connections, end the thread."""
        self._portal.call(self._client.aclose)
        self._exits.close()

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

    def photos(self) -> Iterator[Photo]:
        """See AsyncClient.photos."""
        return self._each(self._client.photos())

    def delete_photo(self, photo_id: str) -> None:
        """See AsyncClient.delete_photo."""
        self._wait(lambda: self._client.delete_photo(photo_id))

    def submit(
        self, photo_id: str, *, preview: bool = False, priority: str = "interactive", at: Point | None = None
    ) -> Job:
        """See AsyncClient.submit."""
        return self._wait(lambda: self._client.submit(photo_id, preview=preview, priority=priority, at=at))

    def submit_batch(self, photo_ids: Iterable[str], *, at: Point | None = None) -> list[Job]:
        """See AsyncClient.submit_batch."""
        return self._wait(lambda: self._client.submit_batch(photo_ids, at=at))

    def job(self, job_id: str) -> Job:
        """See AsyncClient.job."""
        return self._wait(lambda: self._client.job(job_id))

    def jobs(self, *, status: str | None = None, photo_id: str | None = None) -> Iterator[Job]:
        """See AsyncClient.jobs."""
        return self._each(self._client.jobs(status=status, photo_id=photo_id))

    def reprocess(self, job_id: str, *, at: Point | None = None) -> Job:
        """See AsyncClient.reprocess."""
        return self._wait(lambda: self._client.reprocess(job_id, at=at))

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
