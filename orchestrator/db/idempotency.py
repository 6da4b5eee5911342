"""Idempotency keys, with the ids of what their first requests created."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.tables import IdempotencyRecord


async def take_key(session: AsyncSession, user: UUID, key: str, fingerprint: str) -> IdempotencyRecord | None:
    """Take the key, or return what it was used for. A second request waits here until the first one has committed."""
    row = upsert(IdempotencyRecord).values(user_id=user, key=key, fingerprint=fingerprint, made=[])
    taken = await session.execute(row.on_conflict_do_nothing().returning(IdempotencyRecord.key))
    if taken.scalar_one_or_none() is not None:
        return None
    return await look_up(session, user, key)


async def look_up(session: AsyncSession, user: UUID, key: str) -> IdempotencyRecord | None:
    """What a key was used for, without taking it."""
    query = select(IdempotencyRecord).where(IdempotencyRecord.user_id == user, IdempotencyRecord.key == key)
    return (await session.execute(query)).scalar_one_or_none()


async def remember(session: AsyncSession, user: UUID, key: str, ids: Sequence[UUID]) -> None:
    """Record the ids of what the request with this key created."""
    this_key = (IdempotencyRecord.user_id == user, IdempotencyRecord.key == key)
    await session.execute(update(IdempotencyRecord).where(*this_key).values(made=[str(i) for i in ids]))
