"""What the API answers, as values. Fields that a newer server adds are kept in `raw`."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from irisvue._codes import ErrorCode, StepKey, WarningCode

ENDED = ("completed", "failed", "cancelled")


@dataclass(frozen=True)
class _Value:
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Self:
        """Read an answer."""
        known = {f.name: body[f.name] for f in fields(cls) if f.name != "raw" and f.name in body}
        return cls(raw=body, **known)


@dataclass(frozen=True)
class Photo(_Value):
    """An uploaded photo; sizes are those of the upright picture, in pixels."""

    id: str
    content_type: str
    size_bytes: int
    width: int
    height: int
    original_url: str
    filename: str | None = None
    thumbnail_url: str | None = None
    thumbnail_urls: Mapping[str, str] | None = None
    ai_processing_status: str | None = None
    latest_job: Mapping[str, Any] | None = None
    latest_result: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Job(_Value):
    """One run of one photo. Addresses are signed and expire after minutes: ask for the job again to get new ones."""

    job_id: str
    photo_id: str
    status: str
    current_step: str
    progress: int
    created_at: str
    step_key: StepKey | None = None
    queue_position: int | None = None
    eta_s: float | None = None
    url: str | None = None
    deep_link: str | None = None
    result_url: str | None = None
    mask_url: str | None = None
    before_url: str | None = None
    preview_url: str | None = None
    thumbnail_url: str | None = None
    thumbnail_urls: Mapping[str, str] | None = None
    result_width: int | None = None
    result_height: int | None = None
    processing_time_ms: int | None = None
    step_ms: Mapping[str, int] | None = None
    eyes_found: int | None = None
    other_eye_job_id: str | None = None
    detail_used: str | None = None
    quality_score: float | None = None
    quality_warnings: list[str] | None = None
    warning_codes: list[WarningCode] | None = None
    model_versions: Mapping[str, str] | None = None
    error_type: str | None = None
    error_code: ErrorCode | None = None
    error_message: str | None = None
    suggestion: str | None = None

    @property
    def ended(self) -> bool:
        """Whether it has completed, failed or been cancelled."""
        return self.status in ENDED


@dataclass(frozen=True)
class Share(_Value):
    """A link to a job's result that anyone may open until `expires_at`."""

    id: str
    job_id: str
    url: str
    created_at: str
    expires_at: str


@dataclass(frozen=True)
class Event(_Value):
    """One message of a progress stream; progress is 0–100, step is in words for people.

    With `type` "deleted", on the stream of all jobs, the photo with its jobs is gone; `job_id` is then None where it
    had none.
    """

    job_id: str | None
    status: str
    progress: int
    step: str
    timestamp: str
    step_key: StepKey | None = None
    queue_position: int | None = None
    eta_s: float | None = None
    event_id: str | None = None
    result_url: str | None = None
    preview_url: str | None = None
    error_type: str | None = None
    error_code: ErrorCode | None = None
    warning_codes: list[WarningCode] | None = None
    message: str | None = None
    type: str | None = None
    photo_id: str | None = None
    job_ids: list[str] | None = None
    suggestion: str | None = None

    @property
    def last(self) -> bool:
        """Whether this is its job's last message."""
        return self.status in ENDED
