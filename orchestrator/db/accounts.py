"""A user's consent, and the exports of everything about them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.tables import Export, Job, User


async def user_of(session: AsyncSession, user: UUID) -> User | None:
    """The user's row."""
    return await session.get(User, user, populate_existing=True)


async def set_consent(session: AsyncSession, user: UUID, version: str | None) -> None:
    """Note that the user consents to this version, now; None withdraws."""
    at = func.now() if version else None
    await session.execute(update(User).where(User.id == user).values(consent_version=version, consent_at=at))


async def unfinished_job_ids(session: AsyncSession, user: UUID) -> list[UUID]:
    """The user's jobs that wait or run."""
    return list(await session.scalars(select(Job.id).where(Job.user_id == user, Job.completed_at.is_(None))))


# Exports
async def unfinished_export(session: AsyncSession, user: UUID) -> Export | None:
    """The user's export that has not ended."""
    query = select(Export).where(Export.user_id == user, Export.status == "pending").limit(1)
    return (await session.execute(query)).scalar_one_or_none()


async def add_export(session: AsyncSession, **values: Any) -> Export:
    """Add an export that a worker is to make."""
    return (await session.execute(insert(Export).values(**values).returning(Export))).scalar_one()


async def export_of(session: AsyncSession, user: UUID, export_id: UUID) -> Export | None:
    """The user's export; None if it belongs to another user."""
    query = select(Export).where(Export.id == export_id, Export.user_id == user)
    return (await session.execute(query)).scalar_one_or_none()


async def take_export(session: AsyncSession, lease_s: float) -> Export | None:
    """Take an export that nobody makes. If this process dies, another one takes it after `lease_s`."""
    free = Export.status == "pending", or_(Export.lease_until.is_(None), Export.lease_until < func.now())
    first = select(Export.id).where(*free).order_by(Export.created_at).limit(1).with_for_update(skip_locked=True)
    until = func.now() + timedelta(seconds=lease_s)
    taken = update(Export).where(Export.id == first.scalar_subquery()).values(lease_until=until).returning(Export)
    return (await session.execute(taken)).scalar_one_or_none()


async def end_export(session: AsyncSession, export_id: UUID, status: str, size_bytes: int | None = None) -> bool:
    """Write how an export ended; False if it is gone, with its user."""
    values = {"status": status, "size_bytes": size_bytes, "ended_at": func.now(), "lease_until": None}
    ended = update(Export).where(Export.id == export_id).values(**values).returning(Export.id)
    return (await session.execute(ended)).scalar_one_or_none() is not None


async def old_exports(session: AsyncSession, days: float) -> Sequence[Export]:
    """Exports that ended more than `days` ago."""
    return (await session.scalars(select(Export).where(Export.ended_at < func.now() - timedelta(days=days)))).all()


async def delete_exports(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """Delete the rows of these exports."""
    await session.execute(delete(Export).where(Export.id.in_(ids)))


async def known_exports(session: AsyncSession, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these ids are exports."""
    return set(await session.scalars(select(Export.id).where(Export.id.in_(ids))))
