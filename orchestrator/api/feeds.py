"""Feeds: what a watcher gets, by SSE or WebSocket. Where things stand now, then every event, for a limited time."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from uuid import UUID

from orchestrator import db
from orchestrator.errors import NotFound, TooMany
from orchestrator.jobs.announce import current_message
from orchestrator.observability.metrics import STREAMS_OPEN
from orchestrator.progress import events, stream_places
from orchestrator.progress.events import LAST_STATES, UNREACHABLE, Event, event, job_stream, order, user_stream
from orchestrator.progress.hub import Mark, Watch, follow, push
from orchestrator.services import Services

GOES_ON = "The job goes on. Connect again to follow it."
FULL_RETRY_S = 10


class Feed:
    """The events of a job or of a user, and None when a heartbeat is due. Raises Draining when this process stops."""

    def __init__(self, services: Services, stream: str, after: str, first: list[Event], job_id: UUID | None) -> None:
        # The job's row is not kept: a process holds thousands of idle feeds.
        self._services, self._stream, self._after, self._first, self._job_id = services, stream, after, first, job_id
        self._deadline = asyncio.get_running_loop().time() + services.settings.stream_seconds
        self._watch: Watch | None = None
        self._interrupted = False
        self._events = self._all()

    def __aiter__(self) -> AsyncIterator[Event | None]:
        """The events."""
        return self._events

    async def aclose(self) -> None:
        """End the feed."""
        await self._events.aclose()

    def interrupt(self, mark: Mark) -> None:
        """Make the events end soon."""
        self._interrupted = True
        if self._watch is not None:
            push(self._watch, mark)

    def _opened(self, watch: Watch) -> None:
        self._watch = watch
        if self._interrupted:
            push(watch, Mark.DISCONNECTED)

    def _heartbeat_s(self) -> float:
        remaining = self._deadline - asyncio.get_running_loop().time()
        return max(min(self._services.settings.heartbeat_s, remaining), 0.001)

    async def _all(self) -> AsyncGenerator[Event | None, None]:
        last: Event | None = None
        while self._first:
            last = self._first.pop(0)
            yield last
        if self._job_id and last and last.kind in LAST_STATES:
            return
        services = self._services
        source = follow(
            services.redis,
            services.hub,
            self._stream,
            self._after,
            heartbeat_s=self._heartbeat_s,
            missed=self._missed,
            opened=self._opened,
        )
        async with aclosing(source):
            async for next_event in source:
                if next_event is None and asyncio.get_running_loop().time() >= self._deadline:
                    if last:  # a user without jobs has none that goes on
                        yield event(last.body | {"message": GOES_ON})
                    return
                last = next_event or last
                yield next_event

    async def _missed(self) -> Event | None:
        """The job's last event, read from its row: it may never have reached Redis."""
        if self._job_id is None:
            return None
        async with self._services.db() as session:
            job = await db.jobs.job_by_id(session, self._job_id)
        if job is None:
            return event(events.message(self._job_id, "cancelled", 100, "Cancelled"))
        return event(await current_message(self._services, job)) if db.jobs.has_ended(job) else None


async def job_feed(services: Services, user: UUID, job_id: UUID, after: str | None) -> Feed:
    """Where the user's job stands (with `after`: the events since then), then every event. Raises NotFound."""
    async with services.db() as session:
        job = await db.jobs.job_of(session, user, job_id)
    if job is None:
        raise NotFound
    stream = job_stream(job_id)
    newest = await _newest(services, stream)
    after = _known(after, newest)
    first: list[Event] = []
    if db.jobs.has_ended(job):
        if after is not None and newest:
            first = [e for e in await events.replay(services.redis, stream, after) if e.kind not in LAST_STATES]
        first.append(event(await current_message(services, job)))
    elif after is None:
        first = [newest or event(await current_message(services, job))]
        after = newest.id if newest else ""
    return Feed(services, stream, after or "", first, job_id)


async def user_feed(services: Services, user: UUID, after: str | None) -> Feed:
    """Where each unfinished job of the user stands (with `after`: the events since then), then every event."""
    stream = user_stream(user)
    newest = await _newest(services, stream)
    after = _known(after, newest)
    first: list[Event] = []
    if after is None:
        after = newest.id if newest else ""
        async with services.db() as session:
            unfinished = await db.jobs.unfinished_of(session, user)
        first = [event(await current_message(services, job)) for job in unfinished]
    return Feed(services, stream, after, first, None)


def _known(after: str | None, newest: Event | None) -> str | None:
    """The id that the client has seen last; None for one that this stream never had."""
    return after if after is not None and newest is not None and order(after) <= newest.order else None


async def _newest(services: Services, stream: str) -> Event | None:
    try:
        return await events.latest(services.redis, stream)
    except UNREACHABLE:
        return None


async def hold_place(services: Services, user: UUID) -> AbstractAsyncContextManager[None]:
    """Take a place for one more open stream; the context manager gives it back. Raises TooMany.

    Call it last: whatever fails before the context is entered would leave the place taken.
    """
    settings = services.settings
    if services.hub.open_streams >= settings.streams:
        raise TooMany("Too many progress streams are open. Please try again in a moment.", FULL_RETRY_S)
    try:
        place = await stream_places.take_place(
            services.redis, user, settings.user_streams, settings.stream_seconds + 30
        )
    except UNREACHABLE:
        place = ""  # no one is turned away because the count can't be kept
    if place is None:
        raise TooMany(f"{settings.user_streams} of your progress streams are open; close one first.", FULL_RETRY_S)
    return _held(services, user, place)


@asynccontextmanager
async def _held(services: Services, user: UUID, place: str) -> AsyncIterator[None]:
    services.hub.open_streams += 1
    try:
        with STREAMS_OPEN.track_inprogress():
            yield
    finally:
        services.hub.open_streams -= 1
        try:
            if place:
                await asyncio.shield(stream_places.leave_place(services.redis, user, place))
        except UNREACHABLE:
            pass  # it becomes free when its time is over
