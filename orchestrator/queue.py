"""The queue: one arq queue, in the order of `queue_order`.

Redis keys of arq: `irisvue:queue` is a sorted set of `{job}:{attempt}`; `arq:job:*`, `arq:in-progress:*` and
`arq:retry:*` expire by themselves. arq refuses a job id that it knows, so each attempt has its own: enqueuing the same
attempt twice does nothing. Keys of ours: `irisvue:turn:{task}` names the leader of periodic work,
`irisvue:models_busy` (expires after MODELS_BUSY_S) says that the models' queue is full, `irisvue:held:{job}:{attempt}`
(expires after HELD_S) that a worker has taken an attempt out and waits for the models, and `irisvue:written` (expires
after WRITTEN_S) is what health checks write.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast
from uuid import UUID

from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix
from arq.jobs import serialize_job
from arq.utils import timestamp_ms
from redis.asyncio import Redis

from orchestrator import queue_order
from orchestrator.config import Settings
from orchestrator.redis_client import open_pool

QUEUE = "irisvue:queue"
FUNCTION = "process"
MODELS_BUSY, MODELS_BUSY_S = "irisvue:models_busy", 5
AT_ONCE = 500  # jobs of one step: Redis does nothing else meanwhile
TAKEN_S = 3  # within which a worker has begun what it took out
HELD_S = 10
WRITTEN_S = 5


def dump(value: dict[str, Any]) -> bytes:
    """A job as JSON: with arq's default, pickle, anyone who can write to Redis could run code."""
    return json.dumps(value, default=str).encode()


async def open_queue(settings: Settings, patient: bool = True) -> ArqRedis:
    """Connect; close with `aclose`. Raises SetupError when Redis does not answer, after half a minute or at once."""
    password = settings.redis_password.get_secret_value()
    redis = cast(ArqRedis, ArqRedis.from_pool(await open_pool(settings.redis_url, patient, password)))
    redis.job_serializer, redis.job_deserializer, redis.default_queue_name = dump, json.loads, QUEUE
    return redis


def name(job_id: UUID, attempt: int) -> str:
    """An attempt's name in the queue."""
    return f"{job_id}:{attempt}"


@dataclass(frozen=True)
class Attempt:
    """Attempt `number` of a committed job, of one of `queue_order.CLASSES`."""

    user: UUID
    job_id: UUID
    number: int
    priority: str

    @property
    def name(self) -> str:
        """Its name in the queue."""
        return name(self.job_id, self.number)


async def enqueue(queue: ArqRedis, attempts: Sequence[Attempt], to_the_front: bool = False) -> int:
    """Put attempts into the queue, in this order and in one step; returns how many were not in it yet.

    `to_the_front` is for jobs that have had their turn, and lost it through no fault of theirs.
    """
    jobs = [
        (job_key_prefix + one.name, one.name, _payload(one.job_id), str(one.user), one.priority) for one in attempts
    ]
    parts = [jobs[start : start + AT_ONCE] for start in range(0, len(jobs), AT_ONCE)]
    return sum([await queue_order.enter(queue, QUEUE, part, to_the_front=to_the_front) for part in parts])


def _payload(job_id: UUID) -> bytes:
    payload: bytes = serialize_job(FUNCTION, (str(job_id),), {}, None, timestamp_ms(), serializer=dump)
    return payload


async def take(queue: ArqRedis, at_most: int, classes: Iterable[str]) -> list[bytes]:
    """Take out the attempts of these classes whose turn it is; nobody else gets them."""
    return await queue_order.take(queue, QUEUE, at_most, classes)


async def places_in_line(queue: Redis, attempts: Sequence[str]) -> dict[str, int]:
    """The place in line of each of these attempts, by name: 1 goes next. Those that do not wait are left out.

    Exact while every worker takes both classes and nothing new comes in.
    """
    places = await queue_order.places(queue, QUEUE, attempts) if attempts else []
    return {attempt: place for attempt, place in zip(attempts, places, strict=True) if place}


async def lost(queue: ArqRedis, names: Sequence[str]) -> set[str]:
    """Which of these attempts are not in the queue, or were taken out by a worker that has not begun them since."""
    if not names:
        return set()
    scores, (now_s, _) = await queue.zmscore(QUEUE, list(names)), await queue.time()
    absent = [one for one, score in zip(names, scores, strict=True) if score is None or _is_lost(score, now_s)]
    held = await queue.mget([_held_key(one) for one in absent]) if absent else []
    return {one for one, mark in zip(absent, held, strict=True) if mark is None}


def _is_lost(score: float, now_s: int) -> bool:
    return score < queue_order.WAITING and not 0 <= now_s - score < TAKEN_S


async def hold(queue: ArqRedis, attempt: str) -> None:
    """Say that this process has taken the attempt out and still waits; to be said again before HELD_S have passed."""
    await queue.set(_held_key(attempt), 1, ex=HELD_S)


def _held_key(attempt: str) -> str:
    return f"irisvue:held:{attempt}"


async def forget(queue: ArqRedis, attempt: str) -> None:
    """Delete everything that arq knows about an attempt, so that it can be enqueued again."""
    prefixes = (job_key_prefix, in_progress_key_prefix, retry_key_prefix)
    async with queue.pipeline(transaction=True) as pipe:
        pipe.zrem(QUEUE, attempt)
        pipe.delete(*(prefix + attempt for prefix in prefixes))
        await pipe.execute()


async def worker_seen(queue: ArqRedis) -> bool:
    """Whether any worker has reported in the last seconds."""
    return bool(await queue.exists(f"{QUEUE}:health-check"))


async def write_something(queue: ArqRedis) -> None:
    """Write a key that expires. Raises Redis's own errors where it takes no writes."""
    await queue.set("irisvue:written", 1, ex=WRITTEN_S)


async def lead(queue: ArqRedis, task: str, for_s: float) -> bool:
    """Whether this process is to do `task` now. Only one process is in any `for_s` seconds, to spare the database."""
    return bool(await queue.set(f"irisvue:turn:{task}", 1, nx=True, px=max(int(for_s * 1000), 1)))


async def report_models_busy(redis: Redis) -> None:
    """Note that the models' queue is full; the note expires after MODELS_BUSY_S."""
    await redis.set(MODELS_BUSY, 1, ex=MODELS_BUSY_S)


async def models_are_busy(redis: Redis) -> bool:
    """Whether a worker has found the models' queue full in the last MODELS_BUSY_S."""
    return bool(await redis.exists(MODELS_BUSY))
