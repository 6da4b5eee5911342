"""Progress events: written once, kept for a late reader, pushed to everyone who watches.

Redis keys: `irisvue:progress:{job}` is a stream with the job's events, at most KEEP of them, gone KEEP_SECONDS after
the last. Every event is also published on the channel `irisvue:events`; each API process listens to it over one
connection and hands events to its own clients through bounded queues. A client subscribes first, replays second and
drops what it has seen by id, so nothing is missed or repeated.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from orchestrator.telemetry import log

CHANNEL = "irisvue:events"
KEEP, KEEP_SECONDS = 400, 24 * 3600
CLIENT_QUEUE = 200
# One step, because watchers drop what is older than what they have seen: ids must reach them in order.
APPEND_AND_PUSH = """
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[2], '*', 'e', ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[1], id .. ' ' .. ARGV[4])
return id
"""
LAST_STATES = ("completed", "failed", "cancelled")


@dataclass(frozen=True)
class Event:
    """One message of the contract. `id` is the Redis stream's; empty where the event was read off the job's row."""

    id: str
    body: dict[str, Any]

    @property
    def kind(self) -> str:
        """progress, completed, failed or cancelled."""
        status = str(self.body["status"])
        return status if status in LAST_STATES else "progress"

    @property
    def order(self) -> tuple[int, int]:
        """Comparable form of the id."""
        return order(self.id)


def order(event_id: str) -> tuple[int, int]:
    """A stream id as two numbers; (0, 0) for anything that is no id."""
    found = re.fullmatch(r"([0-9]{1,18})-([0-9]{1,18})", event_id)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def message(job_id: UUID, status: str, progress: int, step: str, **more: Any) -> dict[str, Any]:
    """The body of an event, as CONTRACT names its fields."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    body = {"job_id": str(job_id), "status": status, "progress": progress, "step": step, "timestamp": now}
    return body | {key: value for key, value in more.items() if value is not None}


def _stream(job_id: UUID | str) -> str:
    return f"irisvue:progress:{job_id}"


async def publish(redis: Redis, body: dict[str, Any]) -> str:
    """Append to the job's stream and push, in one step. Returns the event's id."""
    key = _stream(body["job_id"])
    arguments = [key, CHANNEL, str(KEEP), str(KEEP_SECONDS), json.dumps(body)]
    event_id: bytes = await redis.eval(APPEND_AND_PUSH, 1, *arguments)  # type: ignore[misc]
    return event_id.decode()


async def replay(redis: Redis, job_id: UUID, after: str) -> list[Event]:
    """The kept events of a job after the id `after`."""
    first, second = order(after)
    rows = await redis.xrange(_stream(job_id), min=f"({first}-{second}")
    return [Event(i.decode(), json.loads(f[b"e"])) for i, f in rows]


async def latest(redis: Redis, job_id: UUID) -> Event | None:
    """The job's newest kept event."""
    rows = await redis.xrevrange(_stream(job_id), count=1)
    return Event(rows[0][0].decode(), json.loads(rows[0][1][b"e"])) if rows else None


async def forget(redis: Redis, job_ids: list[UUID]) -> None:
    """Delete the kept events of these jobs."""
    if job_ids:
        await redis.delete(*map(_stream, job_ids))


class Hub:
    """The one connection of a process to the event channel, and its clients' queues."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._clients: dict[str, set[asyncio.Queue[Event | None]]] = {}
        self._listener: asyncio.Task[None] | None = None
        self._listening = asyncio.Event()

    async def open(self) -> None:
        """Start to listen."""
        self._listener = asyncio.create_task(self._listen())

    async def aclose(self) -> None:
        """End the listener and every client's stream."""
        for queue in [q for queues in self._clients.values() for q in queues]:
            self._push(queue, None)
        if self._listener:
            self._listener.cancel()
            await asyncio.gather(self._listener, return_exceptions=True)

    @contextmanager
    def watch(self, job_id: UUID) -> Iterator["asyncio.Queue[Event | None]"]:
        """A queue of the job's events from now on; None in it means: reconnect (gap, or too slow a reader)."""
        queue: asyncio.Queue[Event | None] = asyncio.Queue(CLIENT_QUEUE)
        key = str(job_id)
        self._clients.setdefault(key, set()).add(queue)
        try:
            yield queue
        finally:
            self._clients[key].discard(queue)
            if not self._clients[key]:
                del self._clients[key]

    async def ready(self) -> None:
        """Wait until events arrive here."""
        await self._listening.wait()

    async def _listen(self) -> None:
        while True:
            try:
                async with self._redis.pubsub(ignore_subscribe_messages=False) as channel:
                    await channel.subscribe(CHANNEL)
                    async for item in channel.listen():
                        if item["type"] == "subscribe":
                            self._listening.set()
                        elif item["type"] == "message":
                            self._deliver(item["data"])
            except (RedisError, OSError) as error:
                log.warning("event channel lost", error=type(error).__name__)
            self._listening.clear()
            for queue in [q for queues in self._clients.values() for q in queues]:
                self._push(queue, None)  # there may be a gap: everyone replays
            await asyncio.sleep(0.2)

    def _deliver(self, data: bytes) -> None:
        event_id, _, text = data.decode().partition(" ")
        body = json.loads(text)
        for queue in self._clients.get(body["job_id"], ()):
            self._push(queue, Event(event_id, body))

    @staticmethod
    def _push(queue: "asyncio.Queue[Event | None]", event: Event | None) -> None:
        if queue.full():
            queue.get_nowait()
            event = None
        queue.put_nowait(event)


async def follow(redis: Redis, hub: Hub, job_id: UUID, after: str) -> AsyncIterator[Event]:
    """The job's events after the id `after`, kept ones first, up to its last; for ever if that never comes."""
    seen = order(after)
    while True:
        await hub.ready()
        with hub.watch(job_id) as queue:
            kept = await replay(redis, job_id, "-".join(map(str, seen)))
            for event in kept:
                seen = event.order
                yield event
                if event.kind in LAST_STATES:
                    return
            while (live := await queue.get()) is not None:
                if live.order <= seen:
                    continue
                seen = live.order
                yield live
                if live.kind in LAST_STATES:
                    return
        await asyncio.sleep(0.05)
