"""Brings lost work back: jobs whose worker fell silent, and rows that never reached the queue."""

from orchestrator import jobs, store
from orchestrator.services import Services
from orchestrator.telemetry import log

WAITING_S = 30.0  # a pending row untouched for so long is enqueued again; a known arq id makes that harmless


async def sweep(services: Services) -> int:
    """One round; returns how many jobs were put in line again. Any number of sweepers may run at once."""
    async with services.db.begin() as db:
        lost = await store.lost_jobs(db, WAITING_S)
    for job in lost:
        log.info("brought back", job_id=str(job.id), attempt=job.attempt)
        await jobs.put_in_line(services, job)
    return len(lost)
