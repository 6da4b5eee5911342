"""Idempotency keys and what their first requests made."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.tables import IdempotencyRecord


async def take_key(session: AsyncSession, user: UUID, key: str, fingerprint: str) -> IdempotencyRecord | None:
    """Take the key, or return what it has been used for. A second request waits here for the first one's commit."""
    row = upsert(IdempotencyRecord).values(user_id=user, key=key, fingerprint=fingerprint, made=[])
    taken = await session.execute(row.on_conflict_do_nothing().returning(IdempotencyRecord.key))
    if taken.scalar_one_or_none() is not None:
        return None
    return await look_up(session, user, key)


async def look_up(session: AsyncSession, user: UUID, key: str) -> IdempotencyRecord | None:
    """What a key has been used for, without taking it."""
    query = select(IdempotencyRecord).where(IdempotencyRecord.user_id == user, IdempotencyRecord.key == key)
    return (await session.execute(query)).scalar_one_or_none()


async def remember(session: AsyncSession, user: UUID, key: str, made: Sequence[UUID]) -> None:
    """Write down what the request with this key made."""
    mine = (IdempotencyRecord.user_id == user, IdempotencyRecord.key == key)
    await session.execute(update(IdempotencyRecord).where(*mine).values(made=[str(i) for i in made]))
