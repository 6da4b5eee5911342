"""Accepts jobs: the rows are committed first, and only then enqueued."""

from collections.abc import Sequence
from typing import cast
from uuid import UUID

from redis.exceptions import RedisError

from orchestrator import consent, db, idempotency, limits, queue
from orchestrator.config import Settings
from orchestrator.db.tables import Job
from orchestrator.errors import Conflict, ConsentRequired, IrisvueError, NotFound
from orchestrator.idempotency import IdempotencyKey
from orchestrator.jobs import cancellation
from orchestrator.observability import tracing
from orchestrator.observability.logs import log
from orchestrator.pipeline.detail import Detail
from orchestrator.services import Services


async def submit(
    services: Services,
    user: UUID,
    photo_ids: Sequence[UUID],
    priority: str,
    *,
    preview: bool = False,
    at: tuple[float, float] | None = None,
    detail: Detail | None = None,
    eyes: str | None = None,
    key: IdempotencyKey | None = None,
    tenant: str = "",
) -> list[Job]:
    """Accept one job for each photo, all or none, earlier photos first; `at`, `detail` and `eyes` as in `Job`.

    Raises:
        NotFound: there is no such photo. TooMany: a limit is reached. Conflict: see `idempotency.earlier_result`.
    """
    await consent.require(services, user)
    busy, most = await limits.models_are_busy(services), limits.unfinished_jobs(services.settings)
    fingerprinted = (key.key, key.fingerprint) if key else None
    async with db.autocommit(services.db) as session:
        submitted = await db.submission.add_jobs(
            session,
            user,
            photo_ids,
            priority,
            preview,
            tracing.traceparent(),
            at,
            detail,
            eyes,
            busy=busy,
            most=most,
            key=fingerprinted,
            tenant=tenant,
        )
    if submitted.refusal == "earlier":
        if len(submitted.accepted) < len(submitted.jobs):
            raise NotFound(idempotency.RESULT_DELETED)
        return submitted.accepted
    if submitted.refusal:
        raise _refusal(submitted.refusal, submitted.counted, services.settings)
    jobs = submitted.accepted
    if not await consent.is_given(services, user):  # withdrawn in this moment, when these jobs were not there yet
        await cancellation.cancel_all(services, [job.id for job in jobs])
        raise ConsentRequired
    for job in jobs:
        log.info("accepted", job_id=str(job.id), user_id=str(user), photo_id=str(job.photo_id), priority=priority)
    await enqueue(services, jobs)
    return jobs


def _refusal(refusal: str, counted: int, settings: Settings) -> IrisvueError:
    kind, _, photo_id = refusal.partition(" ")
    if kind == "photo":
        return NotFound(f"There is no photo {photo_id}.")
    return Conflict(idempotency.KEY_USED) if kind == "key" else limits.too_many_jobs(kind, counted, settings)


async def reprocess(
    services: Services,
    user: UUID,
    job_id: UUID,
    key: IdempotencyKey | None = None,
    at: tuple[float, float] | None = None,
    detail: Detail | None = None,
    eyes: str | None = None,
) -> Job:
    """Accept a new job for the same photo; what is not said is as the old job was told.

    Raises as `submit`; Conflict also while the old one has not ended.
    """
    async with services.db() as session:
        job = await db.jobs.job_of(session, user, job_id)
    if job is None:
        raise NotFound
    if not db.jobs.has_ended(job):
        raise Conflict("This job has not ended yet.")
    at, detail, eyes = at or hint_of(job), detail or detail_of(job), eyes or job.eyes
    accepted = await submit(
        services,
        user,
        [job.photo_id],
        job.priority,
        preview=job.preview,
        at=at,
        detail=detail,
        eyes=eyes,
        key=key,
        tenant=job.tenant or "",
    )
    return accepted[0]


def hint_of(job: Job) -> tuple[float, float] | None:
    """Where the job's sender said that the eye is."""
    return None if job.at_x is None or job.at_y is None else (job.at_x, job.at_y)


def detail_of(job: Job) -> Detail | None:
    """How much detail the job's sender asked for."""
    return cast(Detail | None, job.detail)


async def enqueue(services: Services, jobs: Sequence[Job], to_the_front: bool = False) -> None:
    """Enqueue the next attempts of committed jobs; see `queue.enqueue`. If Redis fails, the sweeper does it later."""
    attempts = [queue.Attempt(job.user_id, job.id, job.attempt + 1, job.priority) for job in jobs]
    try:
        await queue.enqueue(services.redis, attempts, to_the_front)
    except (RedisError, OSError) as error:  # of any kind: the jobs are accepted, so the answer must not be an error
        ids = [str(job.id) for job in jobs]
        log.warning("not enqueued, left to the sweeper", job_ids=ids, error=type(error).__name__)
