"""Brings lost work back: jobs whose worker fell silent, retries that are due, and rows that the queue has lost."""

from orchestrator import claims, jobs, queue, store
from orchestrator.progress import UNREACHABLE
from orchestrator.services import Services
from orchestrator.telemetry import SWEPT, log


async def sweep_in_turn(services: Services) -> int:
    """`sweep`, unless another process has just done it. Without Redis everyone sweeps: rows are locked anyway."""
    try:
        if not await queue.lead(services.redis, "sweep", services.settings.sweep_every_s * 0.9):
            return 0
    except UNREACHABLE:
        pass
    return await sweep(services)


async def sweep(services: Services) -> int:
    """One round; returns how many jobs were put in line again. Any number of sweepers may run at once."""
    async with services.db.begin() as db:
        expired = await store.take_back_expired(db)
    async with services.db.begin() as db:
        due = await store.due_retries(db)
    given_up = await claims.give_up_on(services, expired)
    back = [job for job in [*expired, *due] if job.id not in given_up]
    for job in back:
        log.info("brought back", job_id=str(job.id), attempt=job.attempt)
        await jobs.put_in_line(services, job)
    found = len(back) + await _enqueue_what_the_queue_lost(services)
    SWEPT.inc(found)
    return found


async def _enqueue_what_the_queue_lost(services: Services) -> int:
    """Rows that never reached the queue, or that it forgot, or that a worker took and never began."""
    async with services.db() as db:
        waiting = await store.waiting_since(db, services.settings.waiting_s)
    by_name = {queue.name(job.id, job.attempt + 1): job for job in waiting}
    try:
        lost = await queue.lost(services.redis, list(by_name))
        for called in lost:
            log.info("not in the queue, enqueued again", attempt=called)
            await queue.forget(services.redis, called)
            await jobs.put_in_line(services, by_name[called])
    except UNREACHABLE as error:
        log.warning("queue not reachable", error=type(error).__name__)
        return 0
    return len(lost)
