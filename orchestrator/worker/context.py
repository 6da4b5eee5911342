"""What one worker process works with."""

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from orchestrator.inference.protocol import Infer
from orchestrator.pipeline.decoder import Decoder
from orchestrator.services import Services

MODEL_PAUSE_S = 0.5


@dataclass
class Context:
    """What one worker process works with. `running`: the task of each job in hand, so that a cancel reaches it."""

    services: Services
    infer: Infer
    decoder: Decoder
    running: dict[UUID, asyncio.Task[Any]] = field(default_factory=dict)
    stopped: set[UUID] = field(default_factory=set)
    models_back: asyncio.Task[None] | None = None  # runs while the models are away

    def stop(self, job_id: UUID) -> None:
        """End the work on a job that was cancelled or deleted."""
        if task := self.running.get(job_id):
            self.stopped.add(job_id)
            task.cancel()

    def models_lost(self) -> None:
        """Take no job until the models answer again: an outage must not use up the attempts of every job in line."""
        if self.models_back is None or self.models_back.done():
            self.models_back = asyncio.create_task(self._until_ready())

    async def _until_ready(self) -> None:
        while not await self.infer.ready():  # noqa: ASYNC110  nobody tells when a server is back
            await asyncio.sleep(MODEL_PAUSE_S)

    async def models_present(self) -> None:
        """Wait for models that were lost, but not for ever: then jobs end with the reason."""
        if self.models_back:
            await asyncio.wait({self.models_back}, timeout=self.services.settings.model_wait_s)
