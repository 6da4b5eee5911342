"""Use cases of jobs. Each commits once; only then is anything put into the queue or told to watchers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from orchestrator import limits, progress, queue, storage, store
from orchestrator.errors import Conflict, IrisvueError, NotFound, ProcessingFailed, words_for_people
from orchestrator.limits import Once
from orchestrator.pipeline.run import COMPLETE
from orchestrator.progress import UNREACHABLE
from orchestrator.services import Services
from orchestrator.tables import Job, JobStatus, Photo
from orchestrator.telemetry import JOBS_ENDED, JOBS_RETRIED, log

TELL_AGAIN_AFTER_S = (0.0, 0.2, 0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Claim:
    """A job that this process may work on until its lease runs out; `attempt` goes with every write."""

    job: Job
    photo: Photo

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self.job.attempt


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
        await limits.room_for_jobs(db, services.settings, user, len(photo_ids))
        for photo_id in photo_ids:
            if await store.photo_of(db, user, photo_id) is None:
                raise NotFound(f"There is no photo {photo_id}.")
        jobs = await store.add_jobs(db, user, photo_ids, priority, preview)
        await limits.remember(db, user, asked, [job.id for job in jobs])
    for job in jobs:
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


# Doing it
async def claim(services: Services, job_id: UUID) -> Claim | None:
    """Take the job if it is waiting; None if somebody else has it, or it has ended or gone."""
    async with services.db.begin() as db:
        found = await store.claim(db, job_id, services.settings.lease_s)
    return Claim(*found) if found else None


async def complete(services: Services, mine: Claim, **values: Any) -> Job | None:
    """The final write of a success, then the last event; None if the job is no longer ours."""
    return await _end(services, mine, JobStatus.COMPLETED, progress=100, current_step=COMPLETE, **values)


async def fail(services: Services, mine: Claim, error: IrisvueError) -> bool:
    """End the job as failed, or make it pending for one more attempt a little later. Returns whether it ended here."""
    settings = services.settings
    if error.retryable:
        async with services.db.begin() as db:
            again = await store.retry_later(
                db, mine.job.id, mine.attempt, settings.max_failures, settings.retry_delay_s
            )
        if again:
            JOBS_RETRIED.labels(error.error_type).inc()
            return False
    return await _end(services, mine, JobStatus.FAILED, **_in_words(error)) is not None


def _in_words(error: IrisvueError) -> dict[str, str]:
    words = words_for_people(error)
    return {"error_type": error.error_type, "error_message": words, "suggestion": error.suggestion}


async def _end(services: Services, mine: Claim, status: JobStatus, **values: Any) -> Job | None:
    async with services.db.begin() as db:
        job = await store.end(db, mine.job.id, mine.attempt, status, **values)
    if job is not None:
        JOBS_ENDED.labels(status.value, job.error_type or "").inc()
        await tell(services, job, await last_message(services, job), patient=True)
    return job


async def hand_back(services: Services, mine: Claim) -> None:
    """Make the job pending again and put its next attempt in line; nothing if it is no longer ours."""
    async with services.db.begin() as db:
        ours = await store.hand_back(db, mine.job.id, mine.attempt)
    if ours:
        await put_in_line(services, mine.job)


async def give_up_on(services: Services, jobs: Sequence[Job]) -> set[UUID]:
    """Fail those of these pending jobs that were lost with their worker too often; returns their ids."""
    worn = [job.id for job in jobs if job.attempt >= services.settings.max_attempts]
    if not worn:
        return set()
    async with services.db.begin() as db:
        ended = await store.end_exhausted(db, worn, services.settings.max_attempts, **_in_words(ProcessingFailed()))
    for job in ended:
        JOBS_ENDED.labels(JobStatus.FAILED.value, "server_error").inc()
        log.error("given up: lost with its worker too often", job_id=str(job.id), attempts=job.attempt)
        await remove_objects(services, job)
        await tell(services, job, await last_message(services, job))
    return {job.id for job in ended}


async def has_no_owner(services: Services, job_id: UUID) -> bool:
    """Whether nothing that this job saved may stay: it is gone, cancelled or failed."""
    async with services.db() as db:
        job = await db.get(Job, job_id)
    return job is None or job.status in (JobStatus.CANCELLED, JobStatus.FAILED)


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
            await progress.publish(services.redis, job.user_id, job.attempt, body)
            return
        except UNREACHABLE as error:
            log.warning("event not published", job_id=str(job.id), error=type(error).__name__)
