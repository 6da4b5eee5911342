"""Work that every process does periodically, besides its jobs."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from orchestrator import queue
from orchestrator.observability.logs import log
from orchestrator.progress.events import UNREACHABLE
from orchestrator.services import Services


@dataclass(frozen=True)
class Periodic:
    """Work to do every `every_s` seconds. With `leader`, only one of all processes does it in that time.

    While Redis can't be reached, every process does it: periodic work must be safe to run in two processes at once.
    """

    name: str
    every_s: float
    work: Callable[[Services], Awaitable[object]]
    leader: bool = False

    async def run(self, services: Services) -> None:
        """Do the work until cancelled. A round that fails is logged, and the next one comes in time."""
        while True:
            await asyncio.sleep(self.every_s)
            try:
                if not self.leader or await self._leads(services):
                    await self.work(services)
            except Exception as error:
                log.warning("periodic work failed", name=self.name, error=type(error).__name__)

    async def _leads(self, services: Services) -> bool:
        try:
            return await queue.lead(services.redis, self.name, self.every_s * 0.9)
        except UNREACHABLE:
            return True
