"""The only enqueue. One arq queue, ordered by time; a background job stands as if it had come 30 s later.

Redis keys (arq's own): `irisvue:queue` is a sorted set of `{job}:{attempt}`, the oldest first; `arq:job:*`,
`arq:in-progress:*` and `arq:retry:*` expire by themselves. arq refuses a job id that it knows, so each attempt has its
own: enqueuing the same attempt twice does nothing. `irisvue:turn:{task}` names the leader of periodic work, and
`irisvue:models_busy` (gone after MODELS_BUSY_S) says that the models' queue is full.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from arq.constants import in_progress_key_prefix, job_key_prefix, retry_key_prefix
from redis.asyncio import Redis
from redis.exceptions import RedisError

from orchestrator.config import Settings
from orchestrator.errors import SetupError

QUEUE = "irisvue:queue"
FUNCTION = "process"
HEAD_START = {"interactive": timedelta(seconds=30), "background": timedelta(0)}
LONG_AGO = timedelta(days=1)  # arq takes no job "of the future": clocks of workers and database may differ by this much
EXPIRES = timedelta(days=7)
CONNECT_TRIES = 30  # a second apart
MODELS_BUSY, MODELS_BUSY_S = "irisvue:models_busy", 5


def dump(value: dict[str, Any]) -> bytes:
    """Jobs as JSON: arq's pickle would let a writer of Redis run code."""
    return json.dumps(value, default=str).encode()


def redis_settings(settings: Settings) -> RedisSettings:
    """Arq's own connection settings."""
    found = RedisSettings.from_dsn(settings.redis_url)
    found.conn_retries = CONNECT_TRIES
    return found


async def open_queue(settings: Settings, patient: bool = True) -> ArqRedis:
    """Connect; close with `aclose`. Raises SetupError when Redis does not answer, after half a minute or at once."""
    there = redis_settings(settings)
    there.conn_retries = there.conn_retries if patient else 0
    try:
        return await create_pool(there, job_serializer=dump, job_deserializer=json.loads, default_queue_name=QUEUE)
    except (RedisError, OSError) as error:
        raise SetupError(
            f"Redis does not answer at {there.host}:{there.port} ({type(error).__name__}). "
            "Look at IRISVUE_REDIS_URL, and whether it runs."
        ) from error


def stands_at(priority: str, created_at: datetime) -> datetime:
    """The job's place in line: whoever has the earlier time goes first."""
    return created_at.astimezone(UTC) - LONG_AGO - HEAD_START.get(priority, timedelta(0))


def name(job_id: UUID, attempt: int) -> str:
    """What an attempt is called in the queue."""
    return f"{job_id}:{attempt}"


async def enqueue(queue: ArqRedis, job_id: UUID, attempt: int, priority: str, created_at: datetime) -> bool:
    """Put attempt number `attempt` of a committed job into the queue; False if it stands there already."""
    place, called = stands_at(priority, created_at), name(job_id, attempt)
    job = await queue.enqueue_job(FUNCTION, str(job_id), _job_id=called, _defer_until=place, _expires=EXPIRES)
    return job is not None


async def lost(queue: ArqRedis, names: Sequence[str]) -> set[str]:
    """Which of these attempts stand in no line, or were taken out of it by a worker that never began."""
    if not names:
        return set()
    async with queue.pipeline(transaction=False) as pipe:
        for called in names:
            pipe.zscore(QUEUE, called)
            pipe.exists(in_progress_key_prefix + called)
        found = await pipe.execute()
    standing = zip(names, found[::2], found[1::2], strict=True)
    return {called for called, score, taken in standing if score is None or taken}


async def forget(queue: ArqRedis, called: str) -> None:
    """Drop all that arq knows of an attempt, so that it can be enqueued anew."""
    prefixes = (job_key_prefix, in_progress_key_prefix, retry_key_prefix)
    async with queue.pipeline(transaction=True) as pipe:
        pipe.zrem(QUEUE, called)
        pipe.delete(*(prefix + called for prefix in prefixes))
        await pipe.execute()


async def length(queue: ArqRedis) -> int:
    """How many attempts stand in line."""
    return int(await queue.zcard(QUEUE))


async def worker_seen(queue: ArqRedis) -> bool:
    """Whether some worker has reported in the last seconds."""
    return bool(await queue.exists(f"{QUEUE}:health-check"))


async def lead(queue: ArqRedis, what: str, for_s: float) -> bool:
    """Whether this process may do `what` now; only one may in any `for_s` seconds, to spare the database."""
    return bool(await queue.set(f"irisvue:turn:{what}", 1, nx=True, px=max(int(for_s * 1000), 1)))


async def report_models_busy(redis: Redis) -> None:
    """Note that the models' queue is full; forgotten after MODELS_BUSY_S."""
    await redis.set(MODELS_BUSY, 1, ex=MODELS_BUSY_S)


async def models_are_busy(redis: Redis) -> bool:
    """Whether a worker has found the models' queue full in the last MODELS_BUSY_S."""
    return bool(await redis.exists(MODELS_BUSY))
