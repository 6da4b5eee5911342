"""Progress of one attempt: to watchers at once, to the row now and then."""

import asyncio
import time

from orchestrator import db
from orchestrator.errors import Fenced
from orchestrator.jobs import announce, lease
from orchestrator.observability import tracing
from orchestrator.observability.logs import log
from orchestrator.pipeline.run import WORDS
from orchestrator.progress import events
from orchestrator.services import Services

WRITE_EVERY_S = 0.5  # progress goes to watchers at once, to the row not more often than this


class Reporter:
    """Tells watchers of every step forward, writes the row now and then, and notices when the job is no longer ours."""

    def __init__(self, services: Services, mine: lease.Claim) -> None:
        self._services, self._mine = services, mine
        self._last: tuple[str, int] = ("", -1)
        self._written = 0.0
        self._turn = asyncio.Lock()  # tiles report from several tasks
        self.steps = tracing.Steps()

    async def __call__(self, step: str, done: int, **more: str) -> None:
        """Report `done` percent in `step`; what is not further than the last report is left out. Raises Fenced."""
        self.steps.begin(step)
        async with self._turn:
            if done > self._last[1]:
                await self._report(WORDS[step], done, more)

    async def _report(self, words: str, done: int, more: dict[str, str]) -> None:
        job, new_step = self._mine.job, words != self._last[0]
        self._last = words, done
        if new_step or time.monotonic() - self._written > WRITE_EVERY_S:
            self._written = time.monotonic()
            await self._write(words, done)
        await announce.publish(self._services, job, events.message(job.id, "processing", done, words, **more))

    async def _write(self, words: str, done: int) -> None:
        try:
            async with self._services.db.begin() as session:
                ours = await db.jobs.advance(
                    session, self._mine.job.id, self._mine.attempt, progress=done, current_step=words
                )
        except db.UNAVAILABLE as error:  # work goes on; the lease and the final write decide
            log.warning("progress not written", job_id=str(self._mine.job.id), error=type(error).__name__)
            return
        if not ours:
            raise Fenced
