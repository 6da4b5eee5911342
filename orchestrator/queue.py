"""The queue: one arq queue, ordered by time of arrival. A background job counts as if it had come 30 s later.

Redis keys of arq: `irisvue:queue` is a sorted set of `{job}:{attempt}`, the oldest first; `arq:job:*`,
`arq:in-progress:*` and `arq:retry:*` expire by themselves. arq refuses a job id that it knows, so each attempt has its
own: enqueuing the same attempt twice does nothing. Keys of ours: `irisvue:turn:{task}` names the leader of periodic
work, `irisvue:models_busy` (expires after MODELS_BUSY_S) says that the models' queue is full,
`irisvue:held:{job}:{attempt}` (expires after HELD_S) that a worker has taken an attempt out and waits for the models,
and `irisvue:written` (expires after WRITTEN_S) is what health checks write.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

from arq.connections import ArqRedis
from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix
from redis.asyncio import Redis

from orchestrator.config import Settings
from orchestrator.redis_client import open_pool

QUEUE = "irisvue:queue"
FUNCTION = "process"
HEAD_START = {"interactive": timedelta(seconds=30), "background": timedelta(0)}
LONG_AGO = timedelta(days=1)  # arq runs no job early: clocks of workers and database may differ by this much
EXPIRES = timedelta(days=7)
MODELS_BUSY, MODELS_BUSY_S = "irisvue:models_busy", 5
HELD_S = 10
WRITTEN_S = 5


def dump(value: dict[str, Any]) -> bytes:
    """A job as JSON: with arq's default, pickle, anyone who can write to Redis could run code."""
    return json.dumps(value, default=str).encode()


async def open_queue(settings: Settings, patient: bool = True) -> ArqRedis:
    """Connect; close with `aclose`. Raises SetupError when Redis does not answer, after half a minute or at once."""
    redis = cast(ArqRedis, ArqRedis.from_pool(await open_pool(settings.redis_url, patient)))
    redis.job_serializer, redis.job_deserializer, redis.default_queue_name = dump, json.loads, QUEUE
    return redis


def stands_at(priority: str, created_at: datetime) -> datetime:
    """The job's place in the queue: the job with the earlier time goes first."""
    return created_at.astimezone(UTC) - LONG_AGO - HEAD_START.get(priority, timedelta(0))


def name(job_id: UUID, attempt: int) -> str:
    """An attempt's name in the queue."""
    return f"{job_id}:{attempt}"


async def enqueue(queue: ArqRedis, job_id: UUID, attempt: int, priority: str, created_at: datetime) -> bool:
    """Put attempt number `attempt` of a committed job into the queue; False if it is already queued."""
    place = stands_at(priority, created_at)
    arq_id = name(job_id, attempt)
    job = await queue.enqueue_job(FUNCTION, str(job_id), _job_id=arq_id, _defer_until=place, _expires=EXPIRES)
    return job is not None


async def lost(queue: ArqRedis, names: Sequence[str]) -> set[str]:
    """Which of these attempts are not in the queue, or were taken out by a worker that never began them."""
    if not names:
        return set()
    async with queue.pipeline(transaction=False) as pipe:
        for attempt in names:
            pipe.zscore(QUEUE, attempt)
            pipe.exists(in_progress_key_prefix + attempt)
            pipe.exists(_held_key(attempt))
        replies = await pipe.execute()
    places = zip(names, replies[::3], replies[1::3], replies[2::3], strict=True)
    return {attempt for attempt, score, taken, held in places if not held and (score is None or taken)}


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


async def length(queue: ArqRedis) -> int:
    """How many attempts are in the queue."""
    return int(await queue.zcard(QUEUE))


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
