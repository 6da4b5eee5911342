"""Rows of the audit log: who opened what of a user."""

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
    """Count that `actor` has opened this once more today."""
    first = insert(AuditEntry).values(user_id=user, day=TODAY, actor=actor, action=action, object=what, times=1)
    repeated = {"times": AuditEntry.times + 1, "last_at": func.now()}
    await session.execute(first.on_conflict_do_update(index_elements=KEY, set_=repeated))


async def accesses_of(session: AsyncSession, user: UUID) -> Sequence[AuditEntry]:
    """What was opened of a user, newest first."""
    query = select(AuditEntry).where(AuditEntry.user_id == user).order_by(AuditEntry.last_at.desc())
    return (await session.scalars(query)).all()


async def delete_old_entries(session: AsyncSession, days: float) -> None:
    """Delete entries whose last access is older than this."""
    await session.execute(delete(AuditEntry).where(AuditEntry.last_at < func.now() - timedelta(days=days)))
