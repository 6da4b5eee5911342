"""A Redis that takes no writes is an outage."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from arq.connections import ArqRedis

from orchestrator import health, queue
from orchestrator.config import Settings
from orchestrator.embedded.ports import HOST
from orchestrator.progress import events
from tests.redis_servers import redis_server


@asynccontextmanager
async def own_redis(folder: Path) -> AsyncIterator[ArqRedis]:
    """A Redis for one test, which may set it up badly, with a client as every process opens it."""
    async with redis_server(folder) as url:
        redis = await queue.open_queue(Settings.model_validate({"redis_url": url}))
        try:
            yield redis
        finally:
            await redis.aclose()


async def read(redis: ArqRedis) -> None:
    await redis.get("key")


async def write(redis: ArqRedis) -> None:
    await redis.set("key", "value")


async def write_in_a_transaction(redis: ArqRedis) -> None:
    async with redis.pipeline(transaction=True) as pipe:
        pipe.incr("count")
        pipe.expire("count", 60)
        await pipe.execute()


async def write_in_a_script(redis: ArqRedis) -> None:
    await events.publish(redis, uuid4(), 1, events.message(uuid4(), "processing", 1, "x"))


DEAD_PORT = 9
REPLICA_OF_NOBODY = ("REPLICAOF", HOST, str(DEAD_PORT))
WRITES = (write, write_in_a_transaction, write_in_a_script)


@pytest.mark.parametrize(
    ("commands", "work", "words"),
    [
        ([("CONFIG", "SET", "maxmemory", "1")], WRITES, "its memory is full (maxmemory)"),
        ([("CONFIG", "SET", "min-replicas-to-write", "1")], WRITES, "too few replicas follow it"),
        ([REPLICA_OF_NOBODY], WRITES, "it is a replica and takes no writes"),
        (
            [REPLICA_OF_NOBODY, ("CONFIG", "SET", "replica-serve-stale-data", "no")],
            (read, *WRITES),
            "it is a replica and takes no writes",
        ),
    ],
    ids=["full memory", "no replicas", "a replica", "a replica without its master"],
)
async def test_a_redis_that_takes_no_writes_is_an_outage(
    tmp_path: Path, commands: list[tuple[str, ...]], work: tuple[Callable[[ArqRedis], Awaitable[None]], ...], words: str
) -> None:
    async with own_redis(tmp_path) as redis:
        for command in commands:
            await redis.execute_command(*command)  # type: ignore[no-untyped-call]
        for attempt in work:
            with pytest.raises(events.UNREACHABLE):
                await attempt(redis)
        checks = await health.redis(redis)
        assert "takes no work" in checks["queue"] and words in checks["queue"]
