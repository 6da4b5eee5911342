"""Takes attempts out of the arq queue, and ends gracefully."""

import asyncio
import json
import signal
from collections.abc import Sequence
from typing import Any

from arq.worker import Worker, func
from redis.exceptions import RedisError

from orchestrator import queue
from orchestrator.observability.logs import log
from orchestrator.worker.attempt import process
from orchestrator.worker.context import Context

RECONNECT_PAUSE_S = 0.5


class _WorkerInOrder(Worker):
    """An arq worker that begins what `queue.take` gives it: arq itself reads the lowest scores, and has no classes."""

    def __init__(self, classes: Sequence[str], *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._classes = classes

    async def _poll_iteration(self) -> None:
        """Fill the free places, forget the tasks that are done, and report in."""
        free = self.max_jobs - self.job_counter
        if self.allow_pick_jobs and free > 0:
            await self.start_jobs(await queue.take(self.pool, free, self._classes))
        for name, task in list(self.tasks.items()):
            if task.done():
                del self.tasks[name]
                task.result()
        await self.heart_beat()


def _arq_worker(context: Context) -> Worker:
    settings = context.services.settings
    return _WorkerInOrder(
        settings.worker_classes.split(","),
        [func(process, name=queue.FUNCTION)],
        queue_name=queue.QUEUE,
        redis_pool=context.services.redis,
        ctx={"context": context},
        max_jobs=settings.worker_jobs,
        job_timeout=settings.job_timeout_s + 60,
        poll_delay=settings.poll_s,
        keep_result=0,
        max_tries=1_000_000,  # attempts are counted in the row
        retry_jobs=False,
        handle_signals=False,
        health_check_interval=5,
        job_serializer=queue.dump,
        job_deserializer=json.loads,
    )


async def consume_until_signalled(context: Context) -> None:
    """Work until SIGTERM or SIGINT.

    Then nothing new is claimed, and jobs that are not done within `drain_s` are handed back; a second signal hands them
    back at once. An outage of Redis stops nothing: jobs in hand are finished, then the queue is connected again.
    """
    signals = asyncio.Queue[None]()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, signals.put_nowait, None)
    stopping = asyncio.create_task(signals.get())
    while not stopping.done():
        arq = _arq_worker(context)
        consuming = asyncio.create_task(arq.async_run())
        log.info("worker ready", provider=context.infer.provider, models=context.infer.versions)
        await asyncio.wait({stopping, consuming}, return_when=asyncio.FIRST_COMPLETED)
        arq.allow_pick_jobs = False
        if not stopping.done():
            await finish_jobs(arq, consuming, stopping)
        if stopping.done():
            await _drain(context, arq, signals)
        consuming.cancel()
        await asyncio.gather(consuming, return_exceptions=True)


def _in_hand(arq: Worker) -> list[asyncio.Task[Any]]:
    return [task for task in arq.tasks.values() if not task.done()]


async def _drain(context: Context, arq: Worker, signals: asyncio.Queue[None]) -> None:
    """Let the jobs in hand end for `drain_s`, or until the next signal; then hand them back."""
    drain_s = context.services.settings.drain_s
    log.info("draining", jobs=len(context.running), at_most_s=drain_s)
    jobs = _in_hand(arq)
    ended = asyncio.gather(*jobs, return_exceptions=True)
    second_signal = asyncio.create_task(signals.get())
    waiting: set[asyncio.Future[Any]] = {ended, second_signal}
    await asyncio.wait(waiting, timeout=drain_s, return_when=asyncio.FIRST_COMPLETED)
    for job in jobs:
        job.cancel()  # one that is not done hands its job back
    await asyncio.gather(*jobs, return_exceptions=True)
    second_signal.cancel()


async def finish_jobs(arq: Worker, consuming: asyncio.Task[Any], stopping: asyncio.Task[None]) -> None:
    """The queue is lost: let the jobs in hand end, unless a signal comes first. Raises what is not an outage."""
    if error := consuming.exception():
        log.warning("queue lost", error=type(error).__name__)
        if not isinstance(error, RedisError | OSError):
            raise error
    ended = asyncio.gather(*_in_hand(arq), return_exceptions=True)
    waiting: set[asyncio.Future[Any]] = {ended, stopping}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        await asyncio.sleep(RECONNECT_PAUSE_S)
