"""What limits and idempotency keys count and remember."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.tables import ENDED, UNFINISHED, DailyBytes, Delivery, DeliveryStatus, FirstAnswer, Job


async def unfinished(db: AsyncSession, user: UUID | None, at_most: int) -> int:
    """How many jobs (of a user, or of all) have not ended, counted up to `at_most`."""
    query = select(Job.id).where(Job.status.not_in(ENDED)).limit(at_most)
    if user:
        query = query.where(Job.user_id == user)
    return await db.scalar(select(func.count()).select_from(query.subquery())) or 0


async def add_bytes(db: AsyncSession, user: UUID, size_bytes: int) -> int:
    """Book an upload on the user's day (UTC); returns the day's sum."""
    row = upsert(DailyBytes).values(user_id=user, day=datetime.now(UTC).date(), size_bytes=size_bytes)
    total = DailyBytes.size_bytes + row.excluded.size_bytes
    changed = row.on_conflict_do_update(index_elements=["user_id", "day"], set_={"size_bytes": total})
    return (await db.execute(changed.returning(DailyBytes.size_bytes))).scalar_one()


async def first_answer(db: AsyncSession, user: UUID, key: str, fingerprint: str) -> FirstAnswer | None:
    """Take the key, or return what it has been used for. A second request waits here for the first one's commit."""
    row = upsert(FirstAnswer).values(user_id=user, key=key, fingerprint=fingerprint, made=[])
    taken = await db.execute(row.on_conflict_do_nothing().returning(FirstAnswer.key))
    if taken.scalar_one_or_none() is not None:
        return None
    return await seen_answer(db, user, key)


async def seen_answer(db: AsyncSession, user: UUID, key: str) -> FirstAnswer | None:
    """What a key has been used for, without taking it."""
    query = select(FirstAnswer).where(FirstAnswer.user_id == user, FirstAnswer.key == key)
    return (await db.execute(query)).scalar_one_or_none()


async def remember(db: AsyncSession, user: UUID, key: str, made: Sequence[UUID]) -> None:
    """Write down what the request with this key made."""
    mine = (FirstAnswer.user_id == user, FirstAnswer.key == key)
    await db.execute(update(FirstAnswer).where(*mine).values(made=[str(i) for i in made]))


@dataclass(frozen=True)
class Line:
    """How long the line is: jobs, the longest wait in seconds, and notices that are due."""

    pending: int
    processing: int
    oldest_s: float
    notices_due: int


async def line(db: AsyncSession) -> Line:
    """How long the line is now."""
    oldest = func.extract("epoch", func.now() - func.min(Job.created_at))
    query = select(Job.status, func.count(), oldest).where(text(UNFINISHED)).group_by(Job.status)
    found = {status: (count, float(age)) for status, count, age in await db.execute(query)}
    due = Delivery.status == DeliveryStatus.PENDING, Delivery.next_at < func.now()
    notices = await db.scalar(select(func.count()).select_from(Delivery).where(*due))
    pending, processing = found.get("pending", (0, 0.0)), found.get("processing", (0, 0.0))
    return Line(pending[0], processing[0], max(pending[1], 0.0), notices or 0)
