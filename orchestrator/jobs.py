"""The use cases. Each commits once; only then is anything put into the queue or told to watchers."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from redis.exceptions import RedisError

from orchestrator import progress, queue, storage, store
from orchestrator.errors import Conflict, IrisvueError, NotFound, TooLarge, words_for_people
from orchestrator.pipeline import images
from orchestrator.pipeline.run import COMPLETE
from orchestrator.services import Services
from orchestrator.tables import Job, JobStatus, Photo
from orchestrator.telemetry import JOBS_ENDED, JOBS_RETRIED, log


@dataclass(frozen=True)
class Claim:
    """A job that this process may work on until its lease runs out; `attempt` goes with every write."""

    job: Job
    photo: Photo

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self.job.attempt


# Photos
async def add_photo(services: Services, user: UUID, data: bytes) -> Photo:
    """Check the header, store the bytes, then write the row. Raises TooLarge, NotAnImage, Unreadable."""
    settings = services.settings
    if len(data) > settings.max_upload_bytes:
        raise TooLarge(f"The file is larger than {settings.max_upload_bytes // 2**20} MB.")
    header = await asyncio.to_thread(images.inspect, data, settings.max_pixels)
    photo_id = uuid4()
    key = storage.original_key(user, photo_id)
    await services.storage.put(key, data, header.content_type)
    async with services.db.begin() as db:
        await store.ensure_user(db, user)
        return await store.add_photo(
            db,
            id=photo_id,
            user_id=user,
            object_key=key,
            content_type=header.content_type,
            size_bytes=len(data),
            width=header.width,
            height=header.height,
        )


async def delete_photo(services: Services, user: UUID, photo_id: UUID) -> None:
    """Delete a photo, its jobs and every object made from it. A worker that still has it finds its job gone."""
    async with services.db.begin() as db:
        photo = await store.photo_of(db, user, photo_id, lock=True)
        if photo is None:
            raise NotFound
        gone = await store.delete_photo(db, photo_id)
    keys = [photo.object_key, *(key for job_id in gone for key in storage.result_keys(user, job_id))]
    await services.storage.delete(keys)
    for job_id in gone:
        await tell(services, progress.message(job_id, JobStatus.CANCELLED, 100, "Cancelled"))
    await progress.forget(services.redis, gone)


# Accepting work
async def submit(services: Services, user: UUID, photo_ids: Sequence[UUID], priority: str) -> list[Job]:
    """Accept one job a photo, all or none, earlier photos first. Raises NotFound."""
    async with services.db.begin() as db:
        await store.ensure_user(db, user)
        for photo_id in photo_ids:
            if await store.photo_of(db, user, photo_id) is None:
                raise NotFound(f"There is no photo {photo_id}.")
        jobs = await store.add_jobs(db, user, photo_ids, priority)
    for job in jobs:
        await put_in_line(services, job)
    return jobs


async def reprocess(services: Services, user: UUID, job_id: UUID) -> Job:
    """Accept a new job for the same photo. Raises NotFound; Conflict while the old one has not ended."""
    async with services.db() as db:
        job = await store.job_of(db, user, job_id)
    if job is None:
        raise NotFound
    if not store.has_ended(job):
        raise Conflict("This job has not ended yet.")
    return (await submit(services, user, [job.photo_id], job.priority))[0]


async def put_in_line(services: Services, job: Job) -> None:
    """Enqueue the next attempt of a committed job. If Redis can't be reached, the sweeper does it later."""
    try:
        await queue.enqueue(services.redis, job.id, job.attempt + 1, job.priority, job.created_at)
    except (RedisError, OSError) as error:
        log.warning("not enqueued, left to the sweeper", job_id=str(job.id), error=type(error).__name__)


# Doing it
async def claim(services: Services, job_id: UUID) -> Claim | None:
    """Take the job if it is waiting; None if somebody else has it, or it has ended or gone."""
    async with services.db.begin() as db:
        found = await store.claim(db, job_id, services.settings.lease_s)
    return Claim(*found) if found else None


async def complete(services: Services, mine: Claim, **values: Any) -> Job | None:
    """The final write of a success, then the last event; None if the job is no longer ours."""
    async with services.db.begin() as db:
        job = await store.end(
            db, mine.job.id, mine.attempt, JobStatus.COMPLETED, progress=100, current_step=COMPLETE, **values
        )
    if job is None:
        return None
    JOBS_ENDED.labels(JobStatus.COMPLETED.value, "").inc()
    await tell(services, await last_message(services, job))
    return job


async def fail(services: Services, mine: Claim, error: IrisvueError) -> bool:
    """End the job as failed, or hand it back for one more attempt. Returns whether it ended here."""
    job_id = mine.job.id
    if error.retryable and mine.attempt < services.settings.max_attempts:
        await hand_back(services, mine)
        JOBS_RETRIED.labels(error.error_type).inc()
        return False
    async with services.db.begin() as db:
        job = await store.end(
            db,
            job_id,
            mine.attempt,
            JobStatus.FAILED,
            error_type=error.error_type,
            error_message=words_for_people(error),
            suggestion=error.suggestion,
        )
    if job is None:
        return False
    JOBS_ENDED.labels(JobStatus.FAILED.value, error.error_type).inc()
    await tell(services, await last_message(services, job))
    return True


async def hand_back(services: Services, mine: Claim) -> None:
    """Make the job pending again and put its next attempt in line; nothing if it is no longer ours."""
    async with services.db.begin() as db:
        ours = await store.hand_back(db, mine.job.id, mine.attempt)
    if ours:
        await put_in_line(services, mine.job)


async def exists(services: Services, job_id: UUID) -> bool:
    """Whether the job's row is still there."""
    async with services.db() as db:
        return await db.get(Job, job_id) is not None


# Telling
async def last_message(services: Services, job: Job) -> dict[str, Any]:
    """The event that says where the job stands, read off its row."""
    if job.status == JobStatus.COMPLETED and job.result_key:
        return progress.message(
            job.id,
            job.status,
            100,
            COMPLETE,
            result_url=await services.storage.link(job.result_key),
            processing_time_ms=job.processing_time_ms,
            result_width=job.result_width,
            result_height=job.result_height,
        )
    if job.status == JobStatus.FAILED:
        return progress.message(
            job.id,
            job.status,
            job.progress,
            job.current_step,
            error_type=job.error_type,
            message=job.error_message,
            suggestion=job.suggestion,
        )
    return progress.message(job.id, job.status, job.progress, job.current_step)


async def tell(services: Services, body: dict[str, Any]) -> None:
    """Publish an event; a job does not fail because nobody can be told."""
    try:
        await progress.publish(services.redis, body)
    except (RedisError, OSError) as error:
        log.warning("event not published", job_id=body["job_id"], error=type(error).__name__)
