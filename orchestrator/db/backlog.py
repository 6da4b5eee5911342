"""How much work is waiting."""

from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.tables import UNFINISHED, Delivery, DeliveryStatus, Job


@dataclass(frozen=True)
class Backlog:
    """How long the line is: jobs, the longest wait in seconds, and notices that are due."""

    pending: int
    processing: int
    oldest_s: float
    notices_due: int


async def backlog(session: AsyncSession) -> Backlog:
    """How long the line is now."""
    oldest = func.extract("epoch", func.now() - func.min(Job.created_at))
    query = select(Job.status, func.count(), oldest).where(text(UNFINISHED)).group_by(Job.status)
    found = {status: (count, float(age)) for status, count, age in await session.execute(query)}
    due = Delivery.status == DeliveryStatus.PENDING, Delivery.next_at < func.now()
    notices = await session.scalar(select(func.count()).select_from(Delivery).where(*due))
    pending, processing = found.get("pending", (0, 0.0)), found.get("processing", (0, 0.0))
    return Backlog(pending[0], processing[0], max(pending[1], 0.0), notices or 0)
