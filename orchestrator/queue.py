"""The only enqueue. One arq queue, ordered by time; a background job stands as if it had come 30 s later.

arq refuses a job id that it knows, so each attempt has its own: enqueuing the same attempt twice does nothing.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from arq import create_pool
from arq.connections import ArqRedis, RedisSettings

from orchestrator.config import Settings

QUEUE = "irisvue:queue"
FUNCTION = "process"
HEAD_START = {"interactive": timedelta(seconds=30), "background": timedelta(0)}


def dump(value: dict[str, Any]) -> bytes:
    """Jobs as JSON: arq's pickle would let a writer of Redis run code."""
    return json.dumps(value, default=str).encode()


def redis_settings(settings: Settings) -> RedisSettings:
    """Arq's own connection settings."""
    found = RedisSettings.from_dsn(settings.redis_url)
    found.conn_retries = 30
    return found


async def open_queue(settings: Settings) -> ArqRedis:
    """Connect; close with `aclose`."""
    return await create_pool(
        redis_settings(settings), job_serializer=dump, job_deserializer=json.loads, default_queue_name=QUEUE
    )


async def enqueue(queue: ArqRedis, job_id: UUID, attempt: int, priority: str, created_at: datetime) -> bool:
    """Put attempt number `attempt` of a committed job into the queue; False if it stands there already."""
    stands_at = created_at.astimezone(UTC) - HEAD_START.get(priority, timedelta(0))
    job = await queue.enqueue_job(
        FUNCTION, str(job_id), _job_id=f"{job_id}:{attempt}", _defer_until=stands_at, _expires=timedelta(days=7)
    )
    return job is not None
