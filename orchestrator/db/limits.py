"""Counts for the limits."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.job_states import ENDED
from orchestrator.db.tables import DailyBytes, Job


async def unfinished(session: AsyncSession, user: UUID | None, at_most: int) -> int:
    """How many jobs (of a user, or of all) have not ended, counted up to `at_most`."""
    query = select(Job.id).where(Job.status.not_in(ENDED)).limit(at_most)
    if user:
        query = query.where(Job.user_id == user)
    return await session.scalar(select(func.count()).select_from(query.subquery())) or 0


async def add_bytes(session: AsyncSession, user: UUID, size_bytes: int) -> int:
    """Add an upload to the user's bytes of the day (UTC); returns the day's sum."""
    row = upsert(DailyBytes).values(user_id=user, day=datetime.now(UTC).date(), size_bytes=size_bytes)
    total = DailyBytes.size_bytes + row.excluded.size_bytes
    changed = row.on_conflict_do_update(index_elements=["user_id", "day"], set_={"size_bytes": total})
    return (await session.execute(changed.returning(DailyBytes.size_bytes))).scalar_one()
