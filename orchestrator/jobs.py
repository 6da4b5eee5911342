"""Use cases of jobs. Each commits once; only then is anything put into the queue or told to watchers."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from orchestrator import limits, notices, progress, queue, storage, store, tracing
from orchestrator.errors import Conflict, IrisvueError, NotFound
from orchestrator.limits import Once
from orchestrator.progress import UNREACHABLE
from orchestrator.services import Services
from orchestrator.tables import Job, JobStatus
from orchestrator.telemetry import JOBS_ENDED, log

TELL_AGAIN_AFTER_S = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)


# Accepting work
async def submit(
    services: Services,
    user: UUID,
    photo_ids: Sequence[UUID],
    priority: str,
    *,
    preview: bool = False,
    asked: Once | None = None,
) -> list[Job]:
    """Accept one job a photo, all or none, earlier photos first.

    Raises:
        NotFound: a photo is not there. TooMany: a limit. Conflict: see `limits.made_before`.
    """
    async with services.db.begin() as db:
        await store.ensure_user(db, user)
        if (made := await limits.made_before(db, user, asked)) is not None:
            before = await store.jobs_by_id(db, made)
            if len(before) < len(made):
                raise NotFound("What this Idempotency-Key made has been deleted.")
            return before
        await limits.room_at_the_models(services)
        await limits.room_for_jobs(db, services.settings, user, len(photo_ids))
        for photo_id in photo_ids:
            if await store.photo_of(db, user, photo_id) is None:
                raise NotFound(f"There is no photo {photo_id}.")
        jobs = await store.add_jobs(db, user, photo_ids, priority, preview, tracing.here())
        await limits.remember(db, user, asked, [job.id for job in jobs])
    for job in jobs:
        log.info("accepted", job_id=str(job.id), user_id=str(user), photo_id=str(job.photo_id), priority=priority)
        await put_in_line(services, job)
    return jobs


async def reprocess(services: Services, user: UUID, job_id: UUID, asked: Once | None = None) -> Job:
    """Accept a new job for the same photo. Raises as `submit`; Conflict also while the old one has not ended."""
    async with services.db() as db:
        job = await store.job_of(db, user, job_id)
    if job is None:
        raise NotFound
    if not store.has_ended(job):
        raise Conflict("This job has not ended yet.")
    return (await submit(services, user, [job.photo_id], job.priority, preview=job.preview, asked=asked))[0]


async def put_in_line(services: Services, job: Job) -> None:
    """Enqueue the next attempt of a committed job. If Redis can't be reached, the sweeper does it later."""
    try:
        await queue.enqueue(services.redis, job.id, job.attempt + 1, job.priority, job.created_at)
    except UNREACHABLE as error:
        log.warning("not enqueued, left to the sweeper", job_id=str(job.id), error=type(error).__name__)


# Cancelling
async def cancel(services: Services, user: UUID, job_id: UUID) -> Job:
    """End the user's job as cancelled. Raises NotFound; Conflict if it has already ended."""
    async with services.db() as db:
        job = await store.job_of(db, user, job_id)
    if job is None:
        raise NotFound
    cancelled = await cancel_all(services, [job_id])
    if not cancelled:
        raise Conflict("This job has already ended.")
    await remove_objects(services, cancelled[0])
    return cancelled[0]


async def cancel_all(services: Services, job_ids: Sequence[UUID]) -> Sequence[Job]:
    """End those of these jobs that have not ended; workers stop within a tile. Returns the jobs that this ended."""
    async with services.db.begin() as db:
        cancelled = await store.cancel(db, job_ids)
        for job in cancelled:
            await notices.record(db, job)
    await told_cancelled(services, cancelled)
    return cancelled


async def told_cancelled(services: Services, cancelled: Sequence[Job]) -> None:
    """Stop the work on jobs that were just cancelled, and tell their watchers."""
    try:
        await progress.stop(services.redis, [job.id for job in cancelled])
    except UNREACHABLE as error:
        log.warning("workers will find the job cancelled by themselves", error=type(error).__name__)
    for job in cancelled:
        JOBS_ENDED.labels(JobStatus.CANCELLED.value, "").inc()
        await tell(services, job, await last_message(services, job))


async def remove_objects(services: Services, job: Job) -> None:
    """Delete what attempts may have saved; where the store is away, the cleanup does it later."""
    try:
        await services.storage.delete(storage.result_keys(job.user_id, job.id))
    except IrisvueError as error:
        log.warning("objects left to the cleanup", job_id=str(job.id), error=error.code)


# Telling
async def last_message(services: Services, job: Job) -> dict[str, Any]:
    """The event that says where the job stands, read off its row."""
    more: dict[str, Any] = {}
    if job.status == JobStatus.COMPLETED and job.result_key:
        more = {
            "result_url": await services.storage.link(job.result_key),
            "processing_time_ms": job.processing_time_ms,
            "result_width": job.result_width,
            "result_height": job.result_height,
        }
    elif job.status == JobStatus.FAILED:
        more = {"error_type": job.error_type, "message": job.error_message, "suggestion": job.suggestion}
    elif job.preview_key:
        more = {"preview_url": await services.storage.link(job.preview_key)}
    return progress.message(job.id, job.status, job.progress, job.current_step, **more)


async def tell(services: Services, job: Job, body: dict[str, Any], patient: bool = False) -> None:
    """Publish an event, with `patient` several times if need be; a job does not fail because nobody can be told."""
    for pause in TELL_AGAIN_AFTER_S if patient else TELL_AGAIN_AFTER_S[:1]:
        await asyncio.sleep(pause)
        try:
            await progress.publish(services.redis, job.user_id, job.attempt, body, services.settings.events_kept_s)
            return
        except UNREACHABLE as error:
            log.warning("event not published", job_id=str(job.id), error=type(error).__name__)
