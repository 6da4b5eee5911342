"""Renews the lease of the job in hand."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from orchestrator import db
from orchestrator.errors import Fenced
from orchestrator.jobs.lease import Claim
from orchestrator.observability.logs import log
from orchestrator.services import Services


@asynccontextmanager
async def kept_lease(services: Services, claim: Claim) -> AsyncIterator[None]:
    """Renew the lease in the background; once it is lost, the body is cancelled and Fenced raised."""
    body = asyncio.current_task()
    lost = asyncio.Event()
    keeper = asyncio.create_task(_renew_until_lost(services, claim, body, lost))
    try:
        yield
    except asyncio.CancelledError:
        if lost.is_set():
            raise Fenced from None
        raise
    finally:
        keeper.cancel()


async def _renew_until_lost(
    services: Services, claim: Claim, body: asyncio.Task[object] | None, lost: asyncio.Event
) -> None:
    lease_s = services.settings.lease_s
    while not lost.is_set():
        await asyncio.sleep(lease_s / 4)
        try:
            async with db.autocommit(services.db) as session:
                held = await db.jobs.renew(session, claim.job.id, claim.attempt, lease_s)
        except Exception as error:  # the database may be back before the lease runs out
            log.warning("lease not renewed", job_id=str(claim.job.id), error=type(error).__name__)
            continue
        if not held:
            lost.set()
            if body:
                body.cancel()
