"""Feeds: what a watcher gets, by SSE or WebSocket. Where things stand now, then every event, for a limited time."""

import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from uuid import UUID

from orchestrator import db
from orchestrator.db.tables import Job
from orchestrator.errors import NotFound
from orchestrator.jobs.announce import current_message
from orchestrator.progress import events
from orchestrator.progress.events import DELETED, LAST_STATES, UNREACHABLE, Event, event, job_stream, order, user_stream
from orchestrator.progress.hub import Mark, Watch, follow
from orchestrator.services import Services
from orchestrator.words import catalogue

GOES_ON = "The job goes on. Connect again to follow it."
SEND_TIMEOUT_S = 10  # a client that does not read is dropped


class Feed:
    """The events of a job or of a user, and None when a heartbeat is due. Raises Draining when this process stops.

    `at_once` may send an event that the feed's reader waits for, in place of it; False where it can't without waiting.
    `seen_to_the_end`: the client has had the job's last event already; what comes is only that event once more.
    """

    def __init__(
        self,
        services: Services,
        stream: str,
        after: str,
        first: list[Event],
        job_id: UUID | None,
        seen_to_the_end: bool = False,
    ) -> None:
        # The job's row is not kept: a process holds thousands of idle feeds.
        self._services, self._stream, self._after, self._first, self._job_id = services, stream, after, first, job_id
        self._silent_since = time.monotonic()
        self._deadline = self._silent_since + services.settings.stream_seconds
        self.seen_to_the_end = seen_to_the_end
        self._language = catalogue.current.get()
        self._unfinished: dict[str, Event] = {}  # where each job stands that has not ended, the latest last
        self.at_once: Callable[[Event], bool] | None = None
        self._watch: Watch | None = None
        self._interrupted = False
        self._events = self._all()

    def __aiter__(self) -> AsyncIterator[Event | None]:
        """The events."""
        return self._events

    async def aclose(self) -> None:
        """End the feed."""
        await self._events.aclose()

    @property
    def heartbeat(self) -> str:
        """A heartbeat as JSON. It repeats what is known of a job, so that it does not surprise an older client."""
        latest = self._latest_unfinished()
        body = latest.in_language(self._language).body if latest else {}
        return json.dumps(body | {"type": "heartbeat"})

    def interrupt(self, mark: Mark) -> None:
        """Make the events end soon."""
        self._interrupted = True
        if self._watch is not None:
            self._watch.push(mark)

    def _opened(self, watch: Watch) -> None:
        self._watch = watch
        if self._interrupted:
            watch.push(Mark.DISCONNECTED)

    def _heartbeat_s(self) -> float:
        heartbeat_at = self._silent_since + self._services.settings.heartbeat_s
        return max(min(heartbeat_at, self._deadline) - time.monotonic(), 0.001)

    async def _all(self) -> AsyncGenerator[Event | None, None]:
        for first in self._first:
            yield self._noted(first)
        if self._job_id and self._first and self._first[-1].kind in LAST_STATES:
            return
        self._first = []
        services = self._services
        source = follow(
            services.redis,
            services.hub,
            self._stream,
            self._after,
            heartbeat_s=self._heartbeat_s,
            missed=self._missed,
            opened=self._opened,
            at_once=self._is_sent,
        )
        async with aclosing(source):
            async for next_event in source:
                if next_event is None and time.monotonic() >= self._deadline:
                    if goes_on := await self._goes_on():
                        yield goes_on.in_language(self._language)
                    return
                if next_event:
                    yield self._noted(next_event)
                elif time.monotonic() - self._silent_since >= self._services.settings.heartbeat_s:
                    self._silent_since = time.monotonic()
                    yield None

    def _is_sent(self, next_event: Event) -> bool:
        """Send an event at once, if that is possible."""
        sent = self.at_once is not None and self.at_once(next_event.in_language(self._language))
        if sent:
            self._noted(next_event)
        return sent

    def _noted(self, next_event: Event) -> Event:
        """Remember where its job stands, until the job has ended; the event in the client's language."""
        self._silent_since = time.monotonic()
        job_id = next_event.body["job_id"]
        self._unfinished.pop(job_id, None)
        if next_event.kind not in (*LAST_STATES, DELETED):
            self._unfinished[job_id] = next_event
        return next_event.in_language(self._language)

    def _latest_unfinished(self) -> Event | None:
        return next(reversed(self._unfinished.values()), None)

    async def _goes_on(self) -> Event | None:
        """What is said when the stream's time is over; None where no job is known that goes on."""
        latest = self._latest_unfinished()
        if latest is None and self._job_id:  # resumed, and nothing has happened since
            latest = await _newest(self._services, self._stream)
        return event(latest.body | {"message": GOES_ON}) if latest and latest.kind not in LAST_STATES else None

    async def _missed(self) -> Event | None:
        """The job's last event, read from its row: it may never have reached Redis."""
        if self._job_id is None:
            return None
        async with self._services.db() as session:
            job = await db.jobs.job_by_id(session, self._job_id)
        if job is None:
            return event(events.message(self._job_id, "cancelled", 100, "Cancelled"))
        return event(await current_message(self._services, job), _last_id(job)) if db.jobs.has_ended(job) else None


async def job_feed(services: Services, user: UUID, job_id: UUID, after: str | None) -> Feed:
    """Where the user's job stands (with `after`: the events since then), then every event. Raises NotFound."""
    async with services.db() as session:
        job = await db.jobs.job_of(session, user, job_id)
    if job is None:
        raise NotFound
    stream = job_stream(job_id)
    newest = await _newest(services, stream)
    known = _known(after, newest)
    first: list[Event] = []
    if db.jobs.has_ended(job):
        if known is not None:
            first = [e for e in await events.replay(services.redis, stream, known) if e.kind not in LAST_STATES]
        last_id = newest.id if newest and newest.kind in LAST_STATES else _last_id(job)
        first.append(event(await current_message(services, job), last_id))
        return Feed(services, stream, "", first, job_id, seen_to_the_end=bool(last_id) and after == last_id)
    if known is None:
        first = [newest or event(await current_message(services, job))]
        known = newest.id if newest else ""
    return Feed(services, stream, known, first, job_id)


def _last_id(job: Job) -> str:
    """The id of the last event of a job whose events Redis no longer has, so that who has seen it can say so."""
    return f"{int(job.completed_at.timestamp() * 1000)}-0" if job.completed_at else ""


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
