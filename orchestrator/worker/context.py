"""What one worker process works with."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tenacity import retry, retry_if_result, wait_fixed

from orchestrator import queue
from orchestrator.inference.protocol import Infer
from orchestrator.pipeline.decoder import Decoder
from orchestrator.pipeline.run import Budget
from orchestrator.progress.events import UNREACHABLE
from orchestrator.services import Services

POLL_MODELS_S = 0.5


@dataclass
class Context:
    """The clients, the models and the decoder of one process, and the task of each job that it has in hand."""

    services: Services
    infer: Infer
    decoder: Decoder
    running: dict[UUID, asyncio.Task[Any]] = field(default_factory=dict)
    stopped: set[UUID] = field(default_factory=set)
    outage: asyncio.Task[bool] | None = None  # waits until the models answer again

    @property
    def budget(self) -> Budget:
        """What one photo may cost."""
        settings = self.services.settings
        return Budget(settings.max_pixels, settings.max_result_px, settings.tiles_in_flight)

    @contextmanager
    def in_hand(self, job_id: UUID) -> Iterator[None]:
        """Register the current task as the one that works on the job, so that `stop` reaches it."""
        task = asyncio.current_task()
        if task:
            self.running[job_id] = task
        try:
            yield
        finally:
            self.running.pop(job_id, None)
            self.stopped.discard(job_id)

    def stop(self, job_id: UUID) -> None:
        """Cancel the work on a job that was cancelled or deleted."""
        if task := self.running.get(job_id):
            self.stopped.add(job_id)
            task.cancel()

    def report_outage(self) -> None:
        """Claim no job until the models answer again: an outage must not use up the attempts of every queued job."""
        if self.outage is None or self.outage.done():
            self.outage = asyncio.create_task(_until_ready(self.infer))

    async def wait_for_models(self, attempt: str) -> None:
        """Wait for the end of an outage, `model_wait_s` at most: after that, jobs fail with the reason.

        Meanwhile the attempt is held, or the sweeper would take it for lost and enqueue it once more.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + self.services.settings.model_wait_s
        while self.outage and not self.outage.done() and (left_s := until - loop.time()) > 0:
            with suppress(*UNREACHABLE):
                await queue.hold(self.services.redis, attempt)
            await asyncio.wait({self.outage}, timeout=min(left_s, queue.HELD_S / 2))


@retry(retry=retry_if_result(lambda ready: not ready), wait=wait_fixed(POLL_MODELS_S))
async def _until_ready(infer: Infer) -> bool:
    return await infer.ready()
