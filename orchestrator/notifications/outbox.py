"""The outbox: deliveries written in the transaction that ends a job, so that no crash loses one."""

from typing import Any
from uuid import UUID

from orchestrator import db
from orchestrator.config import Settings
from orchestrator.db import Session
from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Job
from orchestrator.progress.events import timestamp
from orchestrator.result_links import result_links
from orchestrator.words.codes import step_key_of, warning_codes_of

COMPLETED_FIELDS = ("processing_time_ms", "result_width", "result_height", "quality_score", "quality_warnings")


async def record(session: Session, settings: Settings, job: Job) -> None:
    """Write one delivery for each webhook and device that wants to know how the job ended."""
    message = message_about(job, result_links(settings, job.id))
    await db.notifications.add_deliveries(session, job.user_id, job.id, message["type"], message)


def message_about(job: Job, links: dict[str, str]) -> dict[str, Any]:
    """The body of a notification. It holds no signed links: they would have expired in a delivery that is late.

    `links` are those of `result_links`, which only the user can open.
    """
    fields: dict[str, Any] = {"job_id": job.id, "photo_id": job.photo_id, "user_id": job.user_id, "status": job.status}
    fields |= links
    fields["step_key"] = step_key_of(job.current_step)
    if job.status == JobStatus.COMPLETED:
        fields |= {name: getattr(job, name) for name in COMPLETED_FIELDS}
        fields["warning_codes"] = warning_codes_of(job.quality_warnings)
    elif job.status == JobStatus.FAILED:
        fields |= {"error_type": job.error_type, "error_code": job.error_code}
        fields |= {"message": job.error_message, "suggestion": job.suggestion}
    data = {name: str(value) if isinstance(value, UUID) else value for name, value in fields.items()}
    return {"type": f"job.{job.status}", "timestamp": timestamp(), "data": data}
