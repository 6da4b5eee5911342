"""Jobs: submit, batch, look, list, reprocess."""

from uuid import UUID

from fastapi import APIRouter

from orchestrator import db, object_keys
from orchestrator.api.dependencies import CurrentCaller, CurrentUser, IdempotencyHeader, Open
from orchestrator.api.schemas.common import Page, PageSize, problems
from orchestrator.api.schemas.jobs import (
    BatchRequest,
    BatchResponse,
    JobList,
    JobResponse,
    JobStatusResponse,
    ReprocessRequest,
    SubmitRequest,
)
from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Job
from orchestrator.errors import NotFound
from orchestrator.idempotency import key_for
from orchestrator.jobs import cancellation, submission
from orchestrator.privacy import audit_log
from orchestrator.services import Services

router = APIRouter(prefix="/api/v1/processing", tags=["processing"], responses=problems(401, 421))


async def _full(services: Services, job: Job) -> JobStatusResponse:
    return await JobStatusResponse.of_full(services, job, object_keys.original_key(job.user_id, job.photo_id))


@router.post("/submit", status_code=202, responses=problems(404, 409, 429))
async def submit(
    services: Open, caller: CurrentCaller, body: SubmitRequest, key: IdempotencyHeader = None
) -> JobResponse:
    """Process a photo; answers at once."""
    idempotency_key = key_for(key, "submit", body.model_dump(mode="json", exclude_none=True))
    at = body.at.point if body.at else None
    accepted = await submission.submit(
        services,
        caller.user,
        [body.photo_id],
        body.priority,
        preview=body.preview,
        at=at,
        detail=body.detail,
        eyes=body.eyes,
        key=idempotency_key,
        tenant=caller.tenant,
    )
    return JobResponse.of(services, accepted[0])


@router.post("/batch", status_code=202, responses=problems(404, 409, 429))
async def batch(
    services: Open, caller: CurrentCaller, body: BatchRequest, key: IdempotencyHeader = None
) -> BatchResponse:
    """Process up to ten photos: all are accepted or none, earlier ones go first."""
    idempotency_key = key_for(key, "batch", body.model_dump(mode="json", exclude_defaults=True))
    at = body.at.point if body.at else None
    accepted = await submission.submit(
        services,
        caller.user,
        body.photo_ids,
        body.priority,
        preview=body.preview,
        at=at,
        detail=body.detail,
        eyes=body.eyes,
        key=idempotency_key,
        tenant=caller.tenant,
    )
    return BatchResponse(jobs=[JobResponse.of(services, job) for job in accepted])


@router.get("/jobs")
async def list_jobs(
    services: Open,
    user: CurrentUser,
    page: Page = 1,
    page_size: PageSize = 20,
    status: JobStatus | None = None,
    photo_id: UUID | None = None,
) -> JobList:
    """The caller's jobs, newest first."""
    async with services.db() as session:
        rows, total = await db.jobs.jobs_of(session, user, page_size, (page - 1) * page_size, status, photo_id)
    await audit_log.record(services, user, "jobs")
    jobs = [await _full(services, job) for job in rows]
    return JobList(jobs=jobs, total=total, page=page, page_size=page_size)


@router.get("/jobs/{job_id}", responses=problems(404))
async def get_job(services: Open, user: CurrentUser, job_id: UUID) -> JobStatusResponse:
    """Where a job stands, and its result."""
    async with services.db() as session:
        job = await db.jobs.job_of(session, user, job_id)
    if job is None:
        raise NotFound
    await audit_log.record(services, user, "job", job_id)
    return await _full(services, job)


@router.post("/jobs/{job_id}/reprocess", status_code=202, responses=problems(404, 409, 429))
async def reprocess(
    services: Open,
    user: CurrentUser,
    job_id: UUID,
    body: ReprocessRequest | None = None,
    key: IdempotencyHeader = None,
) -> JobResponse:
    """A new job for the same photo; the body may be left out."""
    wanted = body or ReprocessRequest()
    at = wanted.at.point if wanted.at else None
    request = [str(part) for part in (job_id, at, wanted.detail, wanted.eyes) if part]
    idempotency_key = key_for(key, "reprocess", " ".join(request))
    job = await submission.reprocess(services, user, job_id, idempotency_key, at, wanted.detail, wanted.eyes)
    return JobResponse.of(services, job)


@router.post("/jobs/{job_id}/cancel", responses=problems(404, 409))
async def cancel(services: Open, user: CurrentUser, job_id: UUID) -> JobStatusResponse:
    """End a job: work on it stops within one tile. 409 if it has already ended."""
    return await _full(services, await cancellation.cancel(services, user, job_id))
