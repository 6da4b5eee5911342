"""The hub: one connection to Redis for a whole process, one bounded queue for each watcher.

A watcher subscribes first, replays second, and drops by id what it has already seen: nothing is missed or repeated. No
watcher waits for another: where one does not read, its queue is emptied and marked with a gap, so that it replays.

An event goes to all watchers that wait for it in one pass, and wakes no task of theirs (`Watch.push`).
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import Enum

from redis.asyncio import Redis
from tenacity import RetryCallState, retry, retry_if_exception_type, retry_if_result, wait_fixed

from orchestrator.observability.logs import log
from orchestrator.observability.metrics import DELIVERY_SECONDS
from orchestrator.progress.events import (
    CHANNEL,
    DELETED,
    LAST_STATES,
    UNREACHABLE,
    Event,
    job_stream,
    order,
    replay,
    user_stream,
)

CLIENT_QUEUE = 200
PAUSE_S = 0.2


class Mark(Enum):
    """What a watcher's queue may hold beside events."""

    REPLAY = "events are missing: replay"
    DRAIN = "this process stops: connect again"
    DISCONNECTED = "the client has disconnected"


class Watch:
    """What one watcher has yet to get, at most CLIENT_QUEUE events and marks. One task may wait for it.

    A process holds thousands that are idle, and an asyncio.Queue is 3 kB even when it is empty.
    """

    def __init__(self) -> None:
        self.items: list[Event | Mark] = []
        self.at_once: Callable[[Event], bool] | None = None
        """Sends an event without waiting; False where it can't, and has sent nothing."""
        self._waiting: asyncio.Future[None] | None = None

    def push(self, item: Event | Mark) -> None:
        """Send an event at once where the watcher waits for it, or else append it for the watcher's task.

        A full queue is emptied first, and an event that finds it full becomes the mark for a gap.
        """
        waits = self._waiting is not None and not self.items
        if waits and self.at_once and isinstance(item, Event) and self.at_once(item):
            return
        if len(self.items) >= CLIENT_QUEUE:
            self.items.clear()
            item = item if isinstance(item, Mark) else Mark.REPLAY
        self.items.append(item)
        self._wake()

    async def next(self, wait_s: float) -> Event | Mark | None:
        """The first item, when there is one; None where none has come for `wait_s` seconds."""
        if not self.items:
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            timer = loop.call_later(wait_s, self._wake)
            try:
                await self._waiting
            finally:
                timer.cancel()
                self._waiting = None
        return self.items.pop(0) if self.items else None

    def _wake(self) -> None:
        if self._waiting and not self._waiting.done():
            self._waiting.set_result(None)


class Draining(Exception):
    """This process is about to stop; another one goes on with the stream."""


def _log_lost(state: RetryCallState) -> None:
    if state.outcome and (error := state.outcome.exception()):
        log.warning("channel lost", channel=state.args[1], error=type(error).__name__)


@retry(
    retry=retry_if_exception_type(UNREACHABLE) | retry_if_result(lambda _: True),
    wait=wait_fixed(PAUSE_S),
    before_sleep=_log_lost,
)
async def listen(redis: Redis, channel: str, connected: Callable[[], None], received: Callable[[bytes], None]) -> None:
    """Call `received` with every message of a channel, for ever, and `connected` after every (re)connection."""
    async with redis.pubsub(ignore_subscribe_messages=False) as source:
        await source.subscribe(channel)
        async for item in source.listen():
            if item["type"] == "subscribe":
                connected()
            elif item["type"] == "message":
                received(item["data"])


class Hub:
    """The one connection of a process to the event channel, and the queues of its watchers."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._watches: dict[str, set[Watch]] = {}
        self._listener: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()
        self.draining = False
        self.open_streams = 0

    async def open(self) -> None:
        """Start to listen."""
        self._listener = asyncio.create_task(listen(self._redis, CHANNEL, self._connected, self._deliver))

    async def aclose(self) -> None:
        """End the listener and every stream."""
        self.drain()
        if self._listener:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)

    def drain(self) -> None:
        """End every stream, and those that are yet to begin, with the hint to connect again."""
        self.draining = True
        self._push_all(Mark.DRAIN)

    @contextmanager
    def watch(self, stream: str) -> Iterator[Watch]:
        """A queue that gets the stream's events from now on."""
        watch = Watch()
        self._watches.setdefault(stream, set()).add(watch)
        try:
            yield watch
        finally:
            self._watches[stream].discard(watch)
            if not self._watches[stream]:
                del self._watches[stream]

    async def ready(self) -> None:
        """Wait until the hub is connected."""
        await self._listening.wait()

    def _connected(self) -> None:
        if self._listening.is_set():
            self._push_all(Mark.REPLAY)  # the connection was lost in between
        self._listening.set()

    def _deliver(self, data: bytes) -> None:
        event_id, user, text = data.decode().split(" ", 2)
        event = Event(event_id, text)
        DELIVERY_SECONDS.observe(max(time.time() - event.order[0] / 1000, 0.0))  # an id begins with Redis's time in ms
        of_job = [] if event.kind == DELETED else [job_stream(event.body["job_id"])]
        for stream in (*of_job, user_stream(user)):
            for watch in tuple(self._watches.get(stream, ())):
                watch.push(event)

    def _push_all(self, mark: Mark) -> None:
        for watch in [w for watches in self._watches.values() for w in watches]:
            watch.push(mark)


async def follow(
    redis: Redis,
    hub: Hub,
    stream: str,
    after: str,
    *,
    heartbeat_s: Callable[[], float] = lambda: 15.0,
    missed: Callable[[], Awaitable[Event | None]] | None = None,
    opened: Callable[[Watch], None] = lambda watch: None,
    at_once: Callable[[Event], bool] = lambda event: False,
) -> AsyncGenerator[Event | None, None]:
    """The stream's events after the id `after`, kept ones first; a job's stream ends with its last event.

    Yields None whenever nothing has happened for `heartbeat_s()` seconds. After a gap, `missed` may return a last event
    that never reached Redis. `opened` gets the queue, so that its owner can put a Mark into it. `at_once` may send an
    event that is new and not the last one, in place of its being yielded (see Watch).

    Raises:
        Draining: this process is about to stop.
    """
    seen, gap, one_job = order(after), False, stream.startswith("irisvue:progress:")

    def is_new(event: Event) -> bool:
        nonlocal seen
        if event.order <= seen:
            return False
        seen = event.order
        return True

    def is_sent(event: Event) -> bool:
        nonlocal seen
        if event.order > seen:
            if (one_job and event.kind in LAST_STATES) or not at_once(event):
                return False
            seen = event.order
        return True

    while not hub.draining:
        await hub.ready()
        with hub.watch(stream) as watch:
            opened(watch)
            watch.at_once = is_sent
            kept = [event for event in await _replay(redis, stream, seen) if is_new(event)]
            if gap and missed and not any(e.kind in LAST_STATES for e in kept) and (last := await missed()):
                kept.append(last)
            for event in kept:
                yield event
                if one_job and event.kind in LAST_STATES:
                    return
            while (live := await watch.next(heartbeat_s())) is not Mark.REPLAY:
                if live is Mark.DISCONNECTED:
                    return
                if live is Mark.DRAIN:
                    raise Draining
                if live is None:
                    yield None
                elif isinstance(live, Event) and is_new(live):
                    yield live
                    if one_job and live.kind in LAST_STATES:
                        return
        gap = True
    raise Draining


@retry(retry=retry_if_exception_type(UNREACHABLE), wait=wait_fixed(PAUSE_S))
async def _replay(redis: Redis, stream: str, seen: tuple[int, int]) -> list[Event]:
    """The kept events after `seen`. Waits while Redis is unavailable: no event may be skipped."""
    return await replay(redis, stream, "-".join(map(str, seen)))
