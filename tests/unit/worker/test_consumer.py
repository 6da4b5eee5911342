"""A worker outlives its connection to the queue, however Redis says that it is lost."""

import asyncio

import pytest
from arq.worker import Worker
from redis.exceptions import BusyLoadingError, ConnectionError, WatchError

from orchestrator.worker.consumer import finish_jobs


class Arq(Worker):
    """An arq worker without a connection, with these jobs in hand."""

    def __init__(self, *jobs: asyncio.Task[None]) -> None:
        self.tasks = {str(number): job for number, job in enumerate(jobs)}


async def lost(error: BaseException) -> asyncio.Task[None]:
    """The task that took jobs out of the queue, ended by this error."""

    async def fail() -> None:
        raise error

    task = asyncio.create_task(fail())
    await asyncio.wait({task})
    return task


@pytest.mark.parametrize(
    "error",
    [ConnectionError("gone"), WatchError("a ConnectionError occurred"), BusyLoadingError("loading"), OSError(113)],
)
async def test_the_jobs_in_hand_end_and_the_worker_lives_on(error: BaseException) -> None:
    job = asyncio.create_task(asyncio.sleep(0.05))
    never = asyncio.create_task(asyncio.sleep(60))
    await finish_jobs(Arq(job), await lost(error), never)
    assert job.done() and not job.cancelled()
    never.cancel()


async def test_what_is_no_error_of_redis_ends_the_worker() -> None:
    never = asyncio.create_task(asyncio.sleep(60))
    with pytest.raises(TypeError):
        await finish_jobs(Arq(), await lost(TypeError("a mistake")), never)
    never.cancel()
