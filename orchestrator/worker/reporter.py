"""Reports the progress of one attempt: to watchers at once, to the job's row now and then."""

import asyncio
import time

from orchestrator import db
from orchestrator.errors import Fenced
from orchestrator.jobs import announce
from orchestrator.jobs.estimates import Pace
from orchestrator.jobs.lease import Claim
from orchestrator.observability import tracing
from orchestrator.observability.logs import log
from orchestrator.pipeline.steps import CHECKPOINTS, STEP_BEGINS, WORDS
from orchestrator.progress import events
from orchestrator.services import Services

WRITE_EVERY_S = 0.5


class Reporter:
    """The pipeline's `report`: publishes every step forward, and notices when the claim is no longer valid."""

    def __init__(self, services: Services, claim: Claim, write_every_s: float = WRITE_EVERY_S) -> None:
        self._services, self._claim, self._write_every_s = services, claim, write_every_s
        self.pace: Pace | None = None
        self._step, self._percent = "", -1
        self._began_at, self._written_at = time.monotonic(), 0.0
        self._result_px: int | None = None
        self._lock = asyncio.Lock()  # tiles report from several tasks
        self._spans = tracing.Steps()

    async def __call__(self, step: str, percent: int, *, result_px: int | None = None, **extra: str) -> None:
        """Report `percent` done in `step`, and checkpoints passed since; nothing if the last report was as far.

        Raises Fenced.
        """
        self._spans.begin(step)
        self._result_px = result_px or self._result_px
        async with self._lock:
            for passed in [mark for mark in CHECKPOINTS if self._percent < mark < percent]:
                await self._report(WORDS[_step_at(passed)], passed, {})
            if percent > self._percent:
                await self._report(WORDS[step], percent, extra)

    async def _report(self, words: str, percent: int, extra: dict[str, str]) -> None:
        job, new_step = self._claim.job, words != self._step
        self._step, self._percent = words, percent
        if new_step or time.monotonic() - self._written_at > self._write_every_s:
            self._written_at = time.monotonic()
            await self._write(words, percent)
        taken_s = time.monotonic() - self._began_at
        eta_s = round(self.pace.left_s(percent, taken_s, self._result_px), 1) if self.pace else None
        body = events.message(job.id, "processing", percent, words, eta_s=eta_s, **extra)
        await announce.publish(self._services, job, body)

    async def _write(self, words: str, percent: int) -> None:
        job_id, attempt = self._claim.job.id, self._claim.attempt
        try:
            async with db.autocommit(self._services.db) as session:
                held = await db.jobs.advance(session, job_id, attempt, progress=percent, current_step=words)
        except db.UNAVAILABLE as error:  # work goes on; the lease and the final write decide
            log.warning("progress not written", job_id=str(job_id), error=type(error).__name__)
            return
        if not held:
            raise Fenced

    @property
    def percent(self) -> int:
        """How far the attempt has come."""
        return max(self._percent, 0)

    def close(self) -> None:
        """End the span of the last step."""
        self._spans.close()


def _step_at(percent: int) -> str:
    """The step in which so much is done."""
    return max((step for step, begin in STEP_BEGINS.items() if begin <= percent), key=STEP_BEGINS.__getitem__)
