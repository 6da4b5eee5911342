"""Keeps the lease of a job that is being worked on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from orchestrator import db
from orchestrator.errors import Fenced
from orchestrator.jobs import lease
from orchestrator.observability.logs import log
from orchestrator.services import Services


@contextlib.asynccontextmanager
async def kept_lease(services: Services, mine: lease.Claim) -> AsyncIterator[None]:
    """Renew the lease in the background; the body is cancelled and Fenced raised when the job is no longer ours."""
    body = asyncio.current_task()
    lost = False

    async def keep() -> None:
        nonlocal lost
        lease_s = services.settings.lease_s
        while True:
            await asyncio.sleep(lease_s / 4)
            try:
                async with services.db.begin() as session:
                    lost = not await db.jobs.renew(session, mine.job.id, mine.attempt, lease_s)
            except Exception as error:  # the database may be back before the lease runs out
                log.warning("lease not renewed", job_id=str(mine.job.id), error=type(error).__name__)
            if lost and body:
                body.cancel()
                return

    keeper = asyncio.create_task(keep())
    try:
        yield
    except asyncio.CancelledError:
        if lost:
            raise Fenced from None
        raise
    finally:
        keeper.cancel()
