"""Tickets, and the messages of progress streams."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from orchestrator.api.schemas.common import AnErrorCode
from orchestrator.db.job_states import JobStatus
from orchestrator.words.codes import StepKey, WarningCode


class TicketRequest(BaseModel):
    """Which stream the ticket is for: that of one job or, without `job_id`, of all of the caller's jobs."""

    job_id: UUID | None = None


class TicketResponse(BaseModel):
    """A ticket that opens one stream, once, within `expires_in` seconds."""

    ticket: str
    job_id: UUID | None
    expires_in: int


class ProgressMessage(BaseModel):
    """One message of a progress stream; some fields come only with `completed`, `failed` or previews."""

    job_id: UUID
    status: JobStatus
    progress: int = Field(ge=0, le=100)
    step: str
    step_key: StepKey | None = None
    timestamp: datetime
    queue_position: int | None = None
    eta_s: float | None = None
    result_url: str | None = None
    processing_time_ms: int | None = None
    result_width: int | None = None
    result_height: int | None = None
    eyes_found: int | None = None
    other_eye_job_id: UUID | None = None
    error_type: Literal["quality_issue", "transient_error", "server_error"] | None = None
    error_code: AnErrorCode | None = None
    warning_codes: list[WarningCode] | None = None
    message: str | None = None
    suggestion: str | None = None
    preview_url: str | None = None
    type: Literal["heartbeat", "deleted"] | None = Field(
        default=None, description="deleted, on the stream of all jobs: `photo_id` with its `job_ids` is gone."
    )
    photo_id: UUID | None = None
    job_ids: list[UUID] | None = None
    event_id: str | None = Field(default=None, description="WebSocket only: the `id` of a Server-Sent Event.")


EVENT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "id": {"type": "string", "description": "For Last-Event-ID."},
        "event": {"type": "string", "description": "progress, completed, failed or cancelled; others are heartbeats."},
        "data": {
            "type": "string",
            "description": "JSON, see ProgressMessage; empty in a heartbeat.",
        },
    },
}
