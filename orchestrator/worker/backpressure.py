"""Signals to the API that the models' queue is full."""

import asyncio
import contextlib
from collections.abc import Awaitable

from redis.asyncio import Redis

from orchestrator import queue
from orchestrator.observability.logs import log
from orchestrator.progress.events import UNREACHABLE

EVERY_S = 1.0


class BusySignal:
    """Makes the API answer 429 to new work; writes to Redis once a second at most."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._reported_at = float("-inf")
        self._writing: set[asyncio.Task[None]] = set()

    def report(self) -> None:
        """A model's queue is full. Returns at once."""
        now = asyncio.get_running_loop().time()
        if now - self._reported_at < EVERY_S:
            return
        self._reported_at = now
        log.warning("the models' queue is full")
        task = asyncio.create_task(_ignore_outage(queue.report_models_busy(self._redis)))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)


async def _ignore_outage(write: Awaitable[None]) -> None:
    with contextlib.suppress(*UNREACHABLE):
        await write
