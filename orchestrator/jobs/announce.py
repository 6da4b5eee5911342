"""Announces to watchers where a job stands."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError
from tenacity import RetryError, retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Job
from orchestrator.jobs import estimates
from orchestrator.observability.logs import log
from orchestrator.progress import events
from orchestrator.services import Services
from orchestrator.words.codes import warning_codes_of


async def current_message(services: Services, job: Job) -> dict[str, Any]:
    """The body of an event that says where the job stands, from its row."""
    extra: dict[str, Any] = {}
    if job.status == JobStatus.COMPLETED and job.result_key:
        extra = {
            "result_url": await services.storage.link(job.result_key),
            "processing_time_ms": job.processing_time_ms,
            "result_width": job.result_width,
            "result_height": job.result_height,
            "eyes_found": job.eyes_found,
            "warning_codes": warning_codes_of(job.quality_warnings),
        }
        if job.other_eye_job_id:
            extra["other_eye_job_id"] = str(job.other_eye_job_id)
    elif job.status == JobStatus.FAILED:
        extra = {
            "error_type": job.error_type,
            "error_code": job.error_code,
            "message": job.error_message,
            "suggestion": job.suggestion,
        }
    else:
        extra = {**(await estimates.of_job(services, job)).fields}
        if job.preview_key:
            extra["preview_url"] = await services.storage.link(job.preview_key)
    return events.message(job.id, job.status, job.progress, job.current_step, **extra)


async def announced_progress(services: Services, job_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The progress that the watchers of these jobs were told last; nothing of jobs without events."""
    progress: dict[UUID, int] = {}
    try:
        for job_id in job_ids:
            if newest := await events.latest(services.redis, events.job_stream(job_id)):
                progress[job_id] = int(newest.body["progress"])
    except (RedisError, OSError) as error:
        log.warning("announced progress not known", error=type(error).__name__)
    return progress


async def publish(services: Services, job: Job, message: dict[str, Any]) -> bool:
    """Publish an event once; False if Redis can't be reached. No job fails because its watchers miss an event."""
    try:
        await events.publish(services.redis, job.user_id, job.attempt, message, services.settings.events_kept_s)
    except (RedisError, OSError) as error:
        log.warning("event not published", job_id=str(job.id), error=type(error).__name__)
        return False
    return True


async def publish_deleted(services: Services, user: UUID, photo_id: UUID | None, job_ids: Sequence[UUID]) -> None:
    """Publish on the user's own stream that a photo or jobs are gone. Raises UNREACHABLE.

    The message has the fields of any other, so that a client that does not know deletions takes the newest job for
    cancelled.
    """
    body = events.message(job_ids[-1] if job_ids else None, JobStatus.CANCELLED, 100, "Cancelled")
    body |= {"type": events.DELETED, "photo_id": str(photo_id) if photo_id else None}
    body["job_ids"] = [str(job_id) for job_id in job_ids]
    await events.publish_to_user(services.redis, user, body, services.settings.events_kept_s)


async def publish_current(services: Services, job: Job) -> bool:
    """Publish where the job stands, once."""
    return await publish(services, job, await current_message(services, job))


_patiently = retry(
    retry=retry_if_exception_type((RedisError, OSError)),
    wait=wait_exponential(multiplier=0.2, max=4.0),
    stop=stop_after_attempt(6),
)


async def publish_last(services: Services, job: Job) -> None:
    """Publish the last event of a job; tries for some seconds if Redis can't be reached."""
    message = await current_message(services, job)
    keep_s = services.settings.events_kept_s
    try:
        await _patiently(events.publish)(services.redis, job.user_id, job.attempt, message, keep_s)
    except RetryError as error:
        cause = error.last_attempt.exception()
        log.warning("last event not published", job_id=str(job.id), error=type(cause).__name__)
