"""A process that commits a job and is killed before it can put it into the queue (run by test_worker_kills.py)."""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from typing import Any
from uuid import UUID

from orchestrator.config import settings
from orchestrator.jobs import submission
from orchestrator.services import open_services


class DiesOnEnqueue:
    """Stands in for Redis, and kills its process when a job is enqueued."""

    async def exists(self, *_: Any) -> int:
        """The models are not busy."""
        return 0

    def register_script(self, _: str) -> None:
        """Reached right after the commit."""
        os.kill(os.getpid(), signal.SIGKILL)


async def main() -> None:
    """Submit."""
    async with open_services(settings()) as services:
        dying = replace(services, redis=DiesOnEnqueue())  # type: ignore[arg-type]
        await submission.submit(dying, UUID(sys.argv[1]), [UUID(sys.argv[2])], "interactive")


asyncio.run(main())
