"""Users: the owners of photos, jobs, webhooks and devices."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.tables import User


async def ensure_user(session: AsyncSession, user: UUID) -> None:
    """Add the user's row, unless it exists."""
    await session.execute(upsert(User).values(id=user).on_conflict_do_nothing())


async def lock_user(session: AsyncSession, user: UUID) -> None:
    """Add the user's row and lock it until the transaction ends, so that what is counted meanwhile stays true."""
    await ensure_user(session, user)
    await session.execute(select(User.id).where(User.id == user).with_for_update(key_share=True))
