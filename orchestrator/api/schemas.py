"""The JSON of the contract. Fields may be added, never removed or renamed."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from orchestrator.services import Services
from orchestrator.tables import Job, JobStatus, Photo

Page = Annotated[int, Query(ge=1, le=1_000_000)]
PageSize = Annotated[int, Query(ge=1, le=100)]


class PhotoResponse(BaseModel):
    """A photo; the last four fields mirror its latest finished job."""

    id: UUID
    content_type: str
    size_bytes: int
    width: int
    height: int
    created_at: datetime
    original_url: str
    ai_processing_status: str | None = None
    ai_results: dict[str, Any] | None = None
    ai_error_message: str | None = None
    ai_provider_used: str | None = None

    @classmethod
    async def of(cls, services: Services, photo: Photo, job: Job | None) -> Self:
        """Build the answer, with fresh links."""
        results = None
        if job and job.status == JobStatus.COMPLETED and job.result_key and job.mask_key:
            results = {
                "job_id": str(job.id),
                "result_url": await services.storage.link(job.result_key),
                "mask_url": await services.storage.link(job.mask_key),
                "result_width": job.result_width,
                "result_height": job.result_height,
                "quality_score": job.quality_score,
            }
        return cls(
            id=photo.id,
            content_type=photo.content_type,
            size_bytes=photo.size_bytes,
            width=photo.width,
            height=photo.height,
            created_at=photo.created_at,
            original_url=await services.storage.link(photo.object_key),
            ai_processing_status=job.status if job else None,
            ai_results=results,
            ai_error_message=job.error_message if job else None,
            ai_provider_used=job.provider if job else None,
        )


class PhotoList(BaseModel):
    """One page of photos, newest first."""

    photos: list[PhotoResponse]
    total: int
    page: int
    page_size: int


class SubmitRequest(BaseModel):
    """Which photo, and how urgent."""

    photo_id: UUID
    priority: Literal["interactive", "background"] = "interactive"


class BatchRequest(BaseModel):
    """Up to ten photos; earlier ones are processed first."""

    photo_ids: list[UUID] = Field(min_length=1, max_length=10)


class JobResponse(BaseModel):
    """An accepted job and where to watch it."""

    job_id: UUID
    photo_id: UUID
    status: JobStatus
    current_step: str
    progress: int
    created_at: datetime
    websocket_url: str
    events_url: str

    @classmethod
    def of(cls, services: Services, job: Job) -> "JobResponse":
        """Build the answer to a submission."""
        return JobResponse(**_common(services, job))


class JobStatusResponse(JobResponse):
    """Everything about a job. Addresses are signed and live for minutes."""

    error_type: str | None = None
    error_message: str | None = None
    suggestion: str | None = None
    attempt_count: int
    result_url: str | None = None
    original_url: str
    mask_url: str | None = None
    preview_url: str | None = None
    processing_time_ms: int | None = None
    step_ms: dict[str, int] | None = None
    result_width: int | None = None
    result_height: int | None = None
    quality_score: float | None = None
    quality_warnings: list[str] | None = None
    model_versions: dict[str, str] | None = None
    provider: str | None = None
    updated_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None

    @classmethod
    async def of_full(cls, services: Services, job: Job, original_key: str) -> Self:
        """Build the whole answer, with fresh links."""
        link = services.storage.link
        return cls(
            **_common(services, job),
            error_type=job.error_type,
            error_message=job.error_message,
            suggestion=job.suggestion,
            attempt_count=job.attempt,
            result_url=await link(job.result_key) if job.result_key else None,
            mask_url=await link(job.mask_key) if job.mask_key else None,
            original_url=await link(original_key),
            processing_time_ms=job.processing_time_ms,
            step_ms=job.step_ms,
            result_width=job.result_width,
            result_height=job.result_height,
            quality_score=job.quality_score,
            quality_warnings=job.quality_warnings,
            model_versions=job.model_versions,
            provider=job.provider,
            updated_at=job.updated_at,
            started_at=job.started_at,
            completed_at=job.completed_at,
        )


def _common(services: Services, job: Job) -> dict[str, Any]:
    base = services.settings.public_url.rstrip("/")
    return {
        "job_id": job.id,
        "photo_id": job.photo_id,
        "status": JobStatus(job.status),
        "current_step": job.current_step,
        "progress": job.progress,
        "created_at": job.created_at,
        "websocket_url": f"{base.replace('http', 'ws', 1)}/ws/jobs/{job.id}",
        "events_url": f"{base}/api/v1/processing/jobs/{job.id}/events",
    }


class BatchResponse(BaseModel):
    """The jobs in the order of their photos."""

    jobs: list[JobResponse]


class JobList(BaseModel):
    """One page of jobs, newest first."""

    jobs: list[JobStatusResponse]
    total: int
    page: int
    page_size: int


class Problem(BaseModel):
    """RFC 9457 application/problem+json."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
