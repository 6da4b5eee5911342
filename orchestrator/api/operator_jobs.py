"""Jobs of all users, for operators: looked at, tried again and cancelled. No pictures: those are their users'."""

from uuid import UUID

from fastapi import APIRouter

from orchestrator import db
from orchestrator.api.dependencies import JobsOperator, Open
from orchestrator.api.schemas.common import Page, PageSize, problems
from orchestrator.api.schemas.operator_jobs import BulkRequest, BulkResponse, OperatorJob, OperatorJobList
from orchestrator.db.job_states import JobStatus
from orchestrator.errors import IrisvueError
from orchestrator.jobs import cancellation, submission
from orchestrator.privacy import audit_log

router = APIRouter(prefix="/api/v1/operator/jobs", tags=["operators"], responses=problems(401, 403, 421))


@router.get("")
async def list_jobs(
    services: Open,
    operator: JobsOperator,
    page: Page = 1,
    page_size: PageSize = 20,
    status: JobStatus | None = None,
    user_id: UUID | None = None,
) -> OperatorJobList:
    """Jobs of all users, newest first; needs the scope jobs:all."""
    async with services.db() as session:
        rows, total = await db.jobs.jobs_of(session, user_id, page_size, (page - 1) * page_size, status, None)
    for owner in {row.user_id for row in rows}:
        await audit_log.record(services, owner, "jobs", by=operator)
    return OperatorJobList(jobs=[OperatorJob.of(row) for row in rows], total=total, page=page, page_size=page_size)


@router.post("/retry")
async def retry(services: Open, operator: JobsOperator, body: BulkRequest) -> BulkResponse:
    """A new job for the photo of each of these jobs that has ended, in its user's name."""
    done: list[UUID] = []
    for job_id in body.job_ids:
        async with services.db() as session:
            job = await db.jobs.job_by_id(session, job_id)
        try:
            if job:
                done.append((await submission.reprocess(services, job.user_id, job_id)).id)
        except IrisvueError as error:
            if error.status >= 500:
                raise
    return BulkResponse(jobs=done, left_out=len(body.job_ids) - len(done))


@router.post("/cancel")
async def cancel(services: Open, operator: JobsOperator, body: BulkRequest) -> BulkResponse:
    """Cancel those of these jobs that have not ended."""
    cancelled = await cancellation.cancel_all(services, body.job_ids)
    for job in cancelled:
        await cancellation.remove_objects(services, job)
    return BulkResponse(jobs=[job.id for job in cancelled], left_out=len(body.job_ids) - len(cancelled))
