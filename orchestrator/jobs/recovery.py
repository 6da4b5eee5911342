"""Brings lost work back: jobs whose worker fell silent, retries that are due, and rows that the queue has lost."""

from collections.abc import Sequence
from uuid import UUID

from orchestrator import db, queue
from orchestrator.db.tables import Job, JobStatus
from orchestrator.errors import ProcessingFailed
from orchestrator.jobs import announce, cancellation, recovery, submission
from orchestrator.jobs.lease import _in_words
from orchestrator.notifications import outbox
from orchestrator.observability.logs import log
from orchestrator.observability.metrics import JOBS_ENDED, SWEPT
from orchestrator.progress.events import UNREACHABLE
from orchestrator.services import Services


async def give_up_on(services: Services, lost: Sequence[Job]) -> set[UUID]:
    """Fail those of these pending jobs that were lost with their worker too often; returns their ids."""
    worn = [job.id for job in lost if job.attempt >= services.settings.max_attempts]
    if not worn:
        return set()
    async with services.db.begin() as session:
        ended = await db.jobs.end_exhausted(
            session, worn, services.settings.max_attempts, **_in_words(ProcessingFailed())
        )
        for job in ended:
            await outbox.record(session, job)
    for job in ended:
        JOBS_ENDED.labels(JobStatus.FAILED.value, "server_error").inc()
        log.error("given up: lost with its worker too often", job_id=str(job.id), attempts=job.attempt)
        await cancellation.remove_objects(services, job)
        await announce.publish(services, job, await announce.current_message(services, job))
    return {job.id for job in ended}


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
    async with services.db.begin() as session:
        expired = await db.jobs.take_back_expired(session)
    async with services.db.begin() as session:
        due = await db.jobs.due_retries(session)
    given_up = await recovery.give_up_on(services, expired)
    back = [job for job in [*expired, *due] if job.id not in given_up]
    for job in back:
        log.info("brought back", job_id=str(job.id), attempt=job.attempt)
        await submission.enqueue(services, job)
    found = len(back) + await _enqueue_what_the_queue_lost(services)
    SWEPT.inc(found)
    return found


async def _enqueue_what_the_queue_lost(services: Services) -> int:
    """Rows that never reached the queue, or that it forgot, or that a worker took and never began."""
    async with services.db() as session:
        waiting = await db.jobs.waiting_since(session, services.settings.waiting_s)
    by_name = {queue.name(job.id, job.attempt + 1): job for job in waiting}
    try:
        lost = await queue.lost(services.redis, list(by_name))
        for called in lost:
            log.info("not in the queue, enqueued again", attempt=called)
            await queue.forget(services.redis, called)
            await submission.enqueue(services, by_name[called])
    except UNREACHABLE as error:
        log.warning("queue not reachable", error=type(error).__name__)
        return 0
    return len(lost)
