"""The trail of who opened what."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.tables import AuditEntry

KEY = ("user_id", "day", "actor", "action", "object")
TODAY = func.date(func.timezone("UTC", func.now()))


async def record_access(session: AsyncSession, user: UUID, actor: str, action: str, what: str) -> None:
    """Count one more time that somebody has opened this today."""
    new = insert(AuditEntry).values(user_id=user, day=TODAY, actor=actor, action=action, object=what, times=1)
    again = {"times": AuditEntry.times + 1, "last_at": func.now()}
    await session.execute(new.on_conflict_do_update(index_elements=KEY, set_=again))


async def accesses_of(session: AsyncSession, user: UUID) -> Sequence[AuditEntry]:
    """What was opened of a user, the newest first."""
    return (
        await session.scalars(select(AuditEntry).where(AuditEntry.user_id == user).order_by(AuditEntry.last_at.desc()))
    ).all()


async def delete_old_entries(session: AsyncSession, days: float) -> None:
    """Delete what is older."""
    await session.execute(delete(AuditEntry).where(AuditEntry.last_at < func.now() - timedelta(days=days)))
