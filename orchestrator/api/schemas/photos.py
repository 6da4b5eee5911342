"""Photos and signed uploads."""

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Job, Photo, Upload
from orchestrator.services import Services
from orchestrator.words.catalogue import translated_or_none


class PhotoResponse(BaseModel):
    """A photo; the last four fields repeat those of its latest job that has completed or failed."""

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
            ai_error_message=translated_or_none(job.error_message) if job else None,
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
        address = await services.storage.upload_address(
            upload.object_key, upload.content_type, upload.size_bytes, services.settings.upload_seconds
        )
        base = services.settings.public_url.rstrip("/")
        return cls(
            id=upload.id,
            upload_url=address.url,
            headers=address.headers,
            expires_at=upload.expires_at,
            complete_url=f"{base}/api/v1/photos/{upload.id}/complete",
        )
