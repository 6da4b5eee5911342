"""The JSON of the contract. Fields may be added, never removed or renamed."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from orchestrator.services import Services
from orchestrator.tables import Job, JobStatus, Photo, Upload

Page = Annotated[int, Query(ge=1, le=1_000_000)]
PageSize = Annotated[int, Query(ge=1, le=100)]
WAITING = "Waiting in line..."


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
                "before_url": await services.storage.link(job.before_key) if job.before_key else None,
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


class UploadRequest(BaseModel):
    """What is going to be uploaded."""

    content_type: str = Field(max_length=100, examples=["image/jpeg"])
    size_bytes: int = Field(ge=1, le=10**12)


class UploadResponse(BaseModel):
    """Where to PUT the file, with exactly these headers, until `expires_at`; then POST to `complete_url`."""

    id: UUID
    upload_url: str
    method: Literal["PUT"] = "PUT"
    headers: dict[str, str]
    expires_at: datetime
    complete_url: str

    @classmethod
    async def of(cls, services: Services, upload: Upload) -> Self:
        """Build the answer, with a fresh signature."""
        seconds = services.settings.upload_seconds
        given = upload.object_key, upload.content_type, upload.size_bytes, seconds
        address = await services.storage.upload_address(*given)
        base = services.settings.public_url.rstrip("/")
        return cls(
            id=upload.id,
            upload_url=address.url,
            headers=address.headers,
            expires_at=upload.expires_at,
            complete_url=f"{base}/api/v1/photos/{upload.id}/complete",
        )


class SubmitRequest(BaseModel):
    """Which photo, how urgent, and whether a first picture is wanted early."""

    photo_id: UUID
    preview: bool = False
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
        """Build the answer to a submission: how the job stood then, also when the answer is given again."""
        fresh = {"status": JobStatus.PENDING, "current_step": WAITING, "progress": 0}
        return JobResponse(**_common(services, job) | fresh)


class JobStatusResponse(JobResponse):
    """Everything about a job. Addresses are signed and live for minutes."""

    error_type: str | None = None
    error_message: str | None = None
    suggestion: str | None = None
    attempt_count: int
    result_url: str | None = None
    original_url: str
    mask_url: str | None = None
    before_url: str | None = Field(default=None, description="The result's own crop, as it was photographed.")
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
            before_url=await link(job.before_key) if job.before_key else None,
            preview_url=await link(job.preview_key) if job.preview_key else None,
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


class TicketRequest(BaseModel):
    """For which stream: a job's, or (without one) that of all of the caller's jobs."""

    job_id: UUID | None = None


class TicketResponse(BaseModel):
    """A ticket for one use within `expires_in` seconds."""

    ticket: str
    job_id: UUID | None
    expires_in: int


class ProgressMessage(BaseModel):
    """One message of a progress stream; some fields come only with `completed`, `failed` or previews."""

    job_id: UUID
    status: JobStatus
    progress: int = Field(ge=0, le=100)
    step: str
    timestamp: datetime
    result_url: str | None = None
    processing_time_ms: int | None = None
    result_width: int | None = None
    result_height: int | None = None
    error_type: Literal["quality_issue", "transient_error", "server_error"] | None = None
    message: str | None = None
    suggestion: str | None = None
    preview_url: str | None = None
    event_id: str | None = Field(default=None, description="WebSocket only: what SSE has as `id`.")


EVENT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["event", "data"],
    "properties": {
        "id": {"type": "string", "description": "For Last-Event-ID."},
        "event": {"enum": ["progress", "completed", "failed", "cancelled"]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "contentSchema": {"$ref": "#/components/schemas/ProgressMessage"},
        },
    },
}


class Problem(BaseModel):
    """RFC 9457 application/problem+json."""

    model_config = ConfigDict(extra="allow")

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI description of error answers."""
    body = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {status: {"description": HTTPStatus(status).phrase, "content": body} for status in statuses}
