"""Cancels jobs: at their user's request, or with their photo."""

from collections.abc import Sequence
from uuid import UUID

from orchestrator import db, object_keys
from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Job
from orchestrator.errors import Conflict, IrisvueError, NotFound
from orchestrator.jobs import announce, ending
from orchestrator.observability.logs import log
from orchestrator.observability.metrics import JOBS_ENDED
from orchestrator.progress import events
from orchestrator.progress.events import UNREACHABLE
from orchestrator.services import Services


async def cancel(services: Services, user: UUID, job_id: UUID) -> Job:
    """Cancel the user's job. Raises NotFound; Conflict if it has already ended."""
    async with services.db() as session:
        job = await db.jobs.job_of(session, user, job_id)
    if job is None:
        raise NotFound
    cancelled = await cancel_all(services, [job_id])
    if not cancelled:
        raise Conflict("This job has already ended.")
    await remove_objects(services, cancelled[0])
    return cancelled[0]


async def cancel_all(services: Services, job_ids: Sequence[UUID]) -> Sequence[Job]:
    """Cancel those of these jobs that have not ended, and return them. Workers stop within a tile."""
    announced = await announce.announced_progress(services, job_ids)
    async with services.db.begin() as session:
        cancelled = await db.jobs.cancel(session, job_ids, announced)
        for job in cancelled:
            await ending.record(session, services.settings, job)
    await announce_cancelled(services, cancelled)
    return cancelled


async def announce_cancelled(services: Services, cancelled: Sequence[Job]) -> None:
    """Stop the work on jobs that were just cancelled, and publish their last events."""
    try:
        await events.stop(services.redis, [job.id for job in cancelled])
    except UNREACHABLE as error:
        log.warning("workers will notice the cancellation at their next report", error=type(error).__name__)
    for job in cancelled:
        JOBS_ENDED.labels(JobStatus.CANCELLED.value, "").inc()
        await announce.publish_current(services, job)


async def remove_objects(services: Services, job: Job) -> None:
    """Delete the objects that attempts may have stored; if that fails, the cleanup does it later."""
    try:
        await services.storage.delete(object_keys.result_keys(job.user_id, job.id))
    except IrisvueError as error:
        log.warning("objects left to the cleanup", job_id=str(job.id), error=error.code)


async def remove_objects_without_owner(services: Services, job: Job) -> None:
    """Delete what attempts may have stored, if the job has been deleted, cancelled or failed since."""
    async with services.db() as session:
        current = await db.jobs.job_by_id(session, job.id)
    if current is None or current.status in (JobStatus.CANCELLED, JobStatus.FAILED):
        await remove_objects(services, job)
