"""Counts for the limits."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.tables import DailyBytes


async def add_bytes(session: AsyncSession, user: UUID, size_bytes: int) -> int:
    """Add an upload to the user's bytes of the day (UTC); returns the day's sum."""
    row = upsert(DailyBytes).values(user_id=user, day=datetime.now(UTC).date(), size_bytes=size_bytes)
    total = DailyBytes.size_bytes + row.excluded.size_bytes
    changed = row.on_conflict_do_update(index_elements=["user_id", "day"], set_={"size_bytes": total})
    return (await session.execute(changed.returning(DailyBytes.size_bytes))).scalar_one()
