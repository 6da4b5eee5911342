"""The trail of who opened what."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.tables import Opening

KEY = ("user_id", "day", "actor", "action", "object")
TODAY = func.date(func.timezone("UTC", func.now()))


async def note_opening(db: AsyncSession, user: UUID, actor: str, action: str, what: str) -> None:
    """Count one more time that somebody has opened this today."""
    new = insert(Opening).values(user_id=user, day=TODAY, actor=actor, action=action, object=what, times=1)
    again = {"times": Opening.times + 1, "last_at": func.now()}
    await db.execute(new.on_conflict_do_update(index_elements=KEY, set_=again))


async def openings_of(db: AsyncSession, user: UUID) -> Sequence[Opening]:
    """What was opened of a user, the newest first."""
    return (await db.scalars(select(Opening).where(Opening.user_id == user).order_by(Opening.last_at.desc()))).all()


async def forget_old_openings(db: AsyncSession, days: float) -> None:
    """Delete what is older."""
    await db.execute(delete(Opening).where(Opening.last_at < func.now() - timedelta(days=days)))
