"""Jobs as operators see them."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, Field

from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Job
from orchestrator.words.codes import StepKey, step_key_of


class OperatorJob(BaseModel):
    """A job without its pictures."""

    job_id: UUID
    user_id: UUID
    photo_id: UUID
    tenant: str | None
    status: JobStatus
    priority: str
    current_step: str
    step_key: StepKey | None
    progress: int
    attempt_count: int
    error_type: str | None
    error_code: str | None
    error_message: str | None
    processing_time_ms: int | None
    result_width: int | None
    result_height: int | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None

    @classmethod
    def of(cls, job: Job) -> Self:
        """Build the answer."""
        renamed: dict[str, Any] = {
            "job_id": job.id,
            "attempt_count": job.attempt,
            "step_key": step_key_of(job.current_step),
        }
        values = {name: getattr(job, name) for name in cls.model_fields if name not in renamed}
        return cls(**values, **renamed)


class OperatorJobList(BaseModel):
    """One page of jobs, newest first."""

    jobs: list[OperatorJob]
    total: int
    page: int
    page_size: int


class BulkRequest(BaseModel):
    """Which jobs."""

    job_ids: list[UUID] = Field(min_length=1, max_length=100)


class BulkResponse(BaseModel):
    """The jobs that were cancelled, or the new ones; and how many could not be."""

    jobs: list[UUID]
    left_out: int
