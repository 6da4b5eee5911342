"""What belongs into the transaction that ends a job: deliveries of notifications, and what was used."""

from orchestrator import db
from orchestrator.config import Settings
from orchestrator.db import Session
from orchestrator.db.tables import Job
from orchestrator.notifications import outbox


async def record(session: Session, settings: Settings, job: Job) -> None:
    """Write both for a job that this transaction has ended."""
    await outbox.record(session, settings, job)
    await db.usage.add_ended(session, job)
