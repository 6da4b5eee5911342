"""The sweeper: brings back jobs whose worker fell silent, retries that are due, and jobs that the queue has lost."""

from collections.abc import Sequence
from uuid import UUID

from orchestrator import db, queue
from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Job
from orchestrator.errors import ProcessingFailed
from orchestrator.jobs import announce, cancellation, ending, submission
from orchestrator.jobs.lease import failure_columns
from orchestrator.observability.logs import log
from orchestrator.observability.metrics import JOBS_ENDED, SWEPT
from orchestrator.progress.events import UNREACHABLE
from orchestrator.services import Services


async def sweep(services: Services) -> int:
    """One round; returns how many jobs were enqueued again. Any number of sweepers may run at once."""
    async with db.autocommit(services.db) as session:
        expired = await db.jobs.take_back_expired(session)
        due = await db.jobs.due_retries(session)
    given_up = await give_up_on(services, expired)
    taken_back = [job for job in expired if job.id not in given_up]
    for job in [*taken_back, *due]:
        log.info("brought back", job_id=str(job.id), attempt=job.attempt)
    await submission.enqueue(services, taken_back, to_the_front=True)
    await submission.enqueue(services, due)
    count = len(taken_back) + len(due) + await _enqueue_what_the_queue_lost(services)
    SWEPT.inc(count)
    return count


async def give_up_on(services: Services, lost: Sequence[Job]) -> set[UUID]:
    """Fail those of these pending jobs that have lost their worker `max_attempts` times; returns their ids."""
    max_attempts = services.settings.max_attempts
    exhausted = [job.id for job in lost if job.attempt >= max_attempts]
    if not exhausted:
        return set()
    announced, failure = await announce.announced_progress(services, exhausted), failure_columns(ProcessingFailed())
    async with services.db.begin() as session:
        ended = await db.jobs.end_exhausted(session, exhausted, max_attempts, announced, **failure)
        for job in ended:
            await ending.record(session, services.settings, job)
    for job in ended:
        JOBS_ENDED.labels(JobStatus.FAILED.value, "server_error").inc()
        log.error("given up: lost with its worker too often", job_id=str(job.id), attempts=job.attempt)
        await cancellation.remove_objects(services, job)
        await announce.publish_current(services, job)
    return {job.id for job in ended}


async def _enqueue_what_the_queue_lost(services: Services) -> int:
    """Enqueue jobs that never reached the queue, that it lost, or that a worker took out and never claimed.

    Earlier jobs go first, as they did when they were accepted.
    """
    async with services.db() as session:
        silent = await db.jobs.waiting_since(session, services.settings.waiting_s)
    waiting = sorted(silent, key=lambda job: job.created_at)
    by_name = {queue.name(job.id, job.attempt + 1): job for job in waiting}
    try:
        lost = await queue.lost(services.redis, list(by_name))
        for name in lost:
            log.info("not in the queue, enqueued again", attempt=name)
            await queue.forget(services.redis, name)
        await submission.enqueue(services, [job for name, job in by_name.items() if name in lost])
    except UNREACHABLE as error:
        log.warning("queue not reachable", error=type(error).__name__)
        return 0
    return len(lost)
