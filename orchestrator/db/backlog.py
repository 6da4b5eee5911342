"""How much work is waiting."""

from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.tables import UNFINISHED, Delivery, DeliveryStatus, Job


@dataclass(frozen=True)
class Backlog:
    """Jobs by state, how long the oldest pending one has waited in seconds, and deliveries that are due."""

    pending: int
    processing: int
    oldest_s: float
    deliveries_due: int


async def backlog(session: AsyncSession) -> Backlog:
    """How much work is waiting now."""
    oldest = func.extract("epoch", func.now() - func.min(Job.created_at))
    query = select(Job.status, func.count(), oldest).where(text(UNFINISHED)).group_by(Job.status)
    by_status = {status: (count, float(age)) for status, count, age in await session.execute(query)}
    due = Delivery.status == DeliveryStatus.PENDING, Delivery.next_at < func.now()
    deliveries_due = await session.scalar(select(func.count()).select_from(Delivery).where(*due))
    pending, processing = by_status.get("pending", (0, 0.0)), by_status.get("processing", (0, 0.0))
    return Backlog(pending[0], processing[0], max(pending[1], 0.0), deliveries_due or 0)
