"""Jobs: what is submitted, and what is answered."""

from datetime import datetime
from typing import Any, Literal, Self, cast
from uuid import UUID

from pydantic import BaseModel, Field

from orchestrator import object_keys
from orchestrator.api.schemas.common import AnErrorCode
from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Job
from orchestrator.jobs import estimates
from orchestrator.pipeline.detail import Detail
from orchestrator.result_links import result_links
from orchestrator.services import Services
from orchestrator.words.catalogue import translated, translated_or_none
from orchestrator.words.codes import StepKey, WarningCode, step_key_of, warning_codes_of

WAITING = "Waiting in line..."


class EyePosition(BaseModel):
    """A point on the upright photo: x, 0–1 of its width, from the left; y, 0–1 of its height, from the top."""

    x: float = Field(ge=0, le=1)
    y: float = Field(ge=0, le=1)

    @property
    def point(self) -> tuple[float, float]:
        """As a tuple, x first."""
        return self.x, self.y


AT = Field(default=None, description="Where the eye is, when the search took something else for it.")


DETAIL: Detail | None = Field(
    default=None, description="crisp: all detail that the network adds; natural: less. By default what suits the photo."
)

Eyes = Literal["best", "all"]
EYES: Eyes | None = Field(
    default=None, description="all: where two eyes are equally good, each gets a job. By default the larger one."
)


class SubmitRequest(BaseModel):
    """Which photo, how urgent, whether a preview is wanted, and perhaps where the eye is."""

    photo_id: UUID
    preview: bool = False
    priority: Literal["interactive", "background"] = "interactive"
    at: EyePosition | None = AT
    detail: Detail | None = DETAIL
    eyes: Eyes | None = EYES


class ReprocessRequest(BaseModel):
    """What a new job for the same photo does differently; everything may be left out."""

    at: EyePosition | None = AT
    detail: Detail | None = DETAIL
    eyes: Eyes | None = EYES


class BatchRequest(BaseModel):
    """Up to ten photos; earlier ones are processed first."""

    photo_ids: list[UUID] = Field(min_length=1, max_length=10)
    preview: bool = False
    priority: Literal["interactive", "background"] = "interactive"
    at: EyePosition | None = Field(default=None, description="Where the eye is in each of them.")
    detail: Detail | None = DETAIL
    eyes: Eyes | None = EYES


class JobResponse(BaseModel):
    """An accepted job and where to watch it."""

    job_id: UUID
    photo_id: UUID
    status: JobStatus
    current_step: str
    step_key: StepKey | None = Field(default=None, description="The step, for programs.")
    progress: int
    queue_position: int | None = Field(default=None, description="While it waits: 1 is next.")
    eta_s: float | None = Field(default=None, description="Seconds until it ends, as recent jobs suggest.")
    created_at: datetime
    websocket_url: str
    events_url: str
    url: str | None = Field(default=None, description="Of the result on this service's page, for its user alone.")
    deep_link: str | None = Field(default=None, description="Of the result in an app, where the service knows one.")

    @classmethod
    def of(cls, services: Services, job: Job) -> "JobResponse":
        """Build the answer to a submission: how the job stood then, also when a repeated key gets the answer again.

        Its place in line is none of it: that changes. The job and its events have it.
        """
        fresh = {
            "status": JobStatus.PENDING,
            "current_step": translated(WAITING),
            "step_key": step_key_of(WAITING),
            "progress": 0,
        }
        return JobResponse(**_common(services, job) | fresh)


class JobStatusResponse(JobResponse):
    """Everything about a job. Addresses are signed and good for minutes."""

    error_type: str | None = None
    error_code: AnErrorCode | None = Field(default=None, description="What went wrong, for programs.")
    error_message: str | None = None
    suggestion: str | None = None
    attempt_count: int
    result_url: str | None = None
    original_url: str
    mask_url: str | None = None
    before_url: str | None = Field(default=None, description="The crop that became the result, as photographed.")
    preview_url: str | None = None
    thumbnail_url: str | None = Field(default=None, description="The result, 320 pixels.")
    thumbnail_urls: dict[str, str] | None = Field(default=None, description="By longest side in pixels: 320, 960.")
    processing_time_ms: int | None = None
    step_ms: dict[str, int] | None = None
    result_width: int | None = None
    result_height: int | None = None
    eyes_found: int | None = Field(default=None, description="2: another eye is as good; the larger one was taken.")
    other_eye_job_id: UUID | None = Field(default=None, description="The job of the other eye, if all were asked for.")
    detail_used: Detail | None = Field(default=None, description="As asked for, or as suited the photo.")
    quality_score: float | None = None
    quality_warnings: list[str] | None = None
    warning_codes: list[WarningCode] | None = Field(default=None, description="The warnings, for programs.")
    model_versions: dict[str, str] | None = None
    provider: str | None = None
    updated_at: datetime
    started_at: datetime | None = None
    completed_at: datetime | None = None

    @classmethod
    async def of_full(cls, services: Services, job: Job, original_key: str) -> Self:
        """Build the whole answer, with fresh links."""
        link = services.storage.link
        thumbnails = None
        if job.thumbnails and job.status == JobStatus.COMPLETED:
            keys = object_keys.thumbnail_keys(job.user_id, job.id)
            thumbnails = {str(px): await link(key) for px, key in keys.items()}
        estimate = await estimates.of_job(services, job)
        return cls(
            **_common(services, job),
            queue_position=estimate.queue_position,
            eta_s=estimate.eta_s,
            error_type=job.error_type,
            error_code=job.error_code,
            error_message=translated_or_none(job.error_message),
            suggestion=translated_or_none(job.suggestion),
            attempt_count=job.attempt,
            result_url=await link(job.result_key) if job.result_key else None,
            mask_url=await link(job.mask_key) if job.mask_key else None,
            before_url=await link(job.before_key) if job.before_key else None,
            preview_url=await link(job.preview_key) if job.preview_key else None,
            original_url=await link(original_key),
            thumbnail_url=next(iter(thumbnails.values())) if thumbnails else None,
            thumbnail_urls=thumbnails,
            processing_time_ms=job.processing_time_ms,
            step_ms=job.step_ms,
            result_width=job.result_width,
            result_height=job.result_height,
            eyes_found=job.eyes_found,
            other_eye_job_id=job.other_eye_job_id,
            detail_used=cast(Detail | None, job.detail_used),
            quality_score=job.quality_score,
            quality_warnings=job.quality_warnings and [translated(words) for words in job.quality_warnings],
            warning_codes=warning_codes_of(job.quality_warnings),
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
        "current_step": translated(job.current_step),
        "step_key": step_key_of(job.current_step),
        "progress": job.progress,
        "created_at": job.created_at,
        "websocket_url": f"{base.replace('http', 'ws', 1)}/ws/jobs/{job.id}",
        **result_links(services.settings, job.id),
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
