"""Periodic work: every process does it, or the one that leads."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

from structlog.testing import capture_logs

from orchestrator.queue import open_queue
from orchestrator.services import Services
from orchestrator.worker.periodic import Periodic
from tests.waiting import until

EVERY_S = 0.05


class Rounds:
    """Work that counts how often it was done."""

    def __init__(self, fails: int = 0) -> None:
        self.count = 0
        self._fails = fails

    async def __call__(self, services: Services) -> None:
        self.count += 1
        if self.count <= self._fails:
            raise ValueError("this round")

    async def reached(self, count: int) -> bool:
        return self.count >= count


@asynccontextmanager
async def running(*work: Periodic, services: Services) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(periodic.run(services)) for periodic in work]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_round_that_fails_is_logged_and_the_next_one_comes(services: Services) -> None:
    rounds = Rounds(fails=2)
    with capture_logs() as logs:
        async with running(Periodic("work", EVERY_S, rounds), services=services):
            await until(lambda: rounds.reached(4))
    failed = [line for line in logs if line["event"] == "periodic work failed"]
    assert [line["error"] for line in failed] == ["ValueError", "ValueError"]


async def test_only_the_leader_of_many_works_in_any_round(services: Services) -> None:
    alone, together = Rounds(), [Rounds() for _ in range(5)]
    name = f"test-{uuid4()}"  # the leader's key is of this test alone
    led = [Periodic(name, EVERY_S, rounds, leader=True) for rounds in together]
    async with running(Periodic("free", EVERY_S, alone), *led, services=services):
        await until(lambda: alone.reached(20))
    assert 1 <= sum(rounds.count for rounds in together) <= alone.count * 1.3 + 1


async def test_without_redis_every_process_does_it(services: Services) -> None:
    redis = await open_queue(services.settings)
    redis.connection_pool.connection_kwargs["port"] = 9  # nothing listens there
    await redis.connection_pool.disconnect()
    unreachable, rounds = replace(services, redis=redis), Rounds()
    async with running(Periodic(f"test-{uuid4()}", EVERY_S, rounds, leader=True), services=unreachable):
        await until(lambda: rounds.reached(3))
    await redis.aclose()
