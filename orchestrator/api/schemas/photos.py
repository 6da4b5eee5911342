"""Photos and signed uploads."""

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from orchestrator.api.schemas.jobs import JobStatusResponse
from orchestrator.db.job_states import JobStatus
from orchestrator.db.photos import JobsOfPhoto
from orchestrator.db.tables import Photo, Upload
from orchestrator.services import Services

NO_JOBS = JobsOfPhoto()


PhotoStatus = Literal["pending", "processing", "completed", "failed"]


class PhotoResponse(BaseModel):
    """A photo, its newest job and its newest good result. A job that fails later hides no good result.

    `ai_processing_status` is that of an unfinished job, or else completed where there is a good result, or else failed.
    """

    id: UUID
    content_type: str
    size_bytes: int
    width: int
    height: int
    filename: str | None = Field(default=None, description="As sent, without folders.")
    created_at: datetime
    original_url: str
    thumbnail_url: str | None = Field(default=None, description="Of the newest good result, 320 pixels.")
    thumbnail_urls: dict[str, str] | None = Field(default=None, description="By longest side in pixels: 320, 960.")
    ai_processing_status: PhotoStatus | None = None
    ai_results: dict[str, Any] | None = None
    ai_error_message: str | None = None
    ai_provider_used: str | None = None
    latest_job: JobStatusResponse | None = None
    latest_result: JobStatusResponse | None = None

    @classmethod
    async def of(cls, services: Services, photo: Photo, jobs: JobsOfPhoto = NO_JOBS) -> Self:
        """Build the answer, with fresh links."""
        latest, result = [
            await JobStatusResponse.of_full(services, job, photo.object_key) if job else None
            for job in (jobs.latest, jobs.result)
        ]
        failed = photo.ai_processing_status == JobStatus.FAILED and latest is not None
        return cls(
            **{name: getattr(photo, name) for name in OF_THE_ROW},
            original_url=await services.storage.link(photo.object_key),
            thumbnail_url=result.thumbnail_url if result else None,
            thumbnail_urls=result.thumbnail_urls if result else None,
            ai_results=_results(result) if result else None,
            ai_error_message=latest.error_message if latest and failed else None,
            ai_provider_used=result.provider if result else None,
            latest_job=latest,
            latest_result=result,
        )


OF_THE_ROW = (
    "id", "content_type", "size_bytes", "width", "height", "filename", "created_at", "ai_processing_status"
)  # fmt: skip
OF_THE_RESULT = ("result_url", "mask_url", "before_url", "result_width", "result_height", "quality_score")


def _results(result: JobStatusResponse) -> dict[str, Any]:
    return {"job_id": str(result.job_id)} | {name: getattr(result, name) for name in OF_THE_RESULT}


class PhotoList(BaseModel):
    """One page of photos, newest first."""

    photos: list[PhotoResponse]
    total: int
    page: int
    page_size: int


class DeletedPhotos(BaseModel):
    """Which photos are gone, and which there were none of."""

    deleted: list[UUID]
    not_found: list[UUID]


class UploadRequest(BaseModel):
    """What is going to be uploaded."""

    content_type: str = Field(max_length=100, examples=["image/jpeg"])
    size_bytes: int = Field(ge=1, le=10**12)
    filename: str | None = Field(default=None, max_length=1000, description="For people; no one reads it.")


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
