"""The outbox: deliveries written in the transaction that ends a job, so that no crash loses one."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from orchestrator import db
from orchestrator.db import Session
from orchestrator.db.tables import Job


async def record(session: Session, job: Job) -> None:
    """Write down, beside the change that ended the job, who is to be told."""
    body = message_body(job)
    await db.notifications.add_deliveries(session, job.user_id, job.id, body["type"], body)


def message_body(job: Job) -> dict[str, Any]:
    """What a webhook is sent. No signed links: they would have expired where the message comes late."""
    facts: dict[str, Any] = {"job_id": job.id, "photo_id": job.photo_id, "user_id": job.user_id, "status": job.status}
    if job.status == "completed":
        names = "processing_time_ms", "result_width", "result_height", "quality_score", "quality_warnings"
        facts |= {name: getattr(job, name) for name in names}
    elif job.status == "failed":
        facts |= {"error_type": job.error_type, "message": job.error_message, "suggestion": job.suggestion}
    data = {name: str(value) if isinstance(value, UUID) else value for name, value in facts.items()}
    return {"type": f"job.{job.status}", "timestamp": _now(), "data": data}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
