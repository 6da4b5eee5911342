"""Jobs: submit, batch, look, list, reprocess."""

from uuid import UUID

from fastapi import APIRouter

from orchestrator import jobs, storage, store
from orchestrator.api.dependencies import CurrentUser, Open
from orchestrator.api.schemas import (
    BatchRequest,
    BatchResponse,
    JobList,
    JobResponse,
    JobStatusResponse,
    Page,
    PageSize,
    SubmitRequest,
)
from orchestrator.errors import NotFound
from orchestrator.services import Services
from orchestrator.tables import Job, JobStatus

router = APIRouter(prefix="/api/v1/processing", tags=["processing"])


async def _full(services: Services, job: Job) -> JobStatusResponse:
    return await JobStatusResponse.of_full(services, job, storage.original_key(job.user_id, job.photo_id))


@router.post("/submit", status_code=202)
async def submit(services: Open, user: CurrentUser, body: SubmitRequest) -> JobResponse:
    """Process a photo; answers at once."""
    accepted = await jobs.submit(services, user, [body.photo_id], body.priority)
    return JobResponse.of(services, accepted[0])


@router.post("/batch", status_code=202)
async def batch(services: Open, user: CurrentUser, body: BatchRequest) -> BatchResponse:
    """Process up to ten photos: all are accepted or none, earlier ones go first."""
    accepted = await jobs.submit(services, user, body.photo_ids, "interactive")
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
    async with services.db() as db:
        rows, total = await store.jobs_of(db, user, page_size, (page - 1) * page_size, status, photo_id)
    found = [await _full(services, job) for job in rows]
    return JobList(jobs=found, total=total, page=page, page_size=page_size)


@router.get("/jobs/{job_id}")
async def get_job(services: Open, user: CurrentUser, job_id: UUID) -> JobStatusResponse:
    """Where a job stands, and its result."""
    async with services.db() as db:
        job = await store.job_of(db, user, job_id)
    if job is None:
        raise NotFound
    return await _full(services, job)


@router.post("/jobs/{job_id}/reprocess", status_code=202)
async def reprocess(services: Open, user: CurrentUser, job_id: UUID) -> JobResponse:
    """A new job for the same photo."""
    return JobResponse.of(services, await jobs.reprocess(services, user, job_id))
