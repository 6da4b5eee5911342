"""What has outlived its time, and what of the object store's keys has an owner."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.tables import DailyBytes, FirstAnswer, Job, JobStatus, Photo, Upload

KEYS_KEPT = timedelta(hours=24)  # the contract's time for idempotency keys


async def alive(db: AsyncSession) -> None:
    """Fail if the database does not answer."""
    await db.execute(text("SELECT 1"))


async def revision(db: AsyncSession) -> str | None:
    """The migration that the database is at; None before the first."""
    if await db.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    found: str | None = await db.scalar(text("SELECT version_num FROM alembic_version"))
    return found


async def clock(db: AsyncSession) -> float:
    """The database's time in Unix seconds."""
    return float(await db.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0)


async def stale_jobs(db: AsyncSession, days: float) -> Sequence[Job]:
    """Failed and cancelled jobs that ended so long ago."""
    ended = Job.status.in_([JobStatus.FAILED, JobStatus.CANCELLED])
    return (await db.scalars(select(Job).where(ended, Job.completed_at < func.now() - timedelta(days=days)))).all()


async def delete_jobs(db: AsyncSession, job_ids: Sequence[UUID]) -> None:
    """Delete the rows of these jobs."""
    await db.execute(delete(Job).where(Job.id.in_(job_ids)))


async def old_photos(db: AsyncSession, days: float) -> Sequence[Photo]:
    """Photos uploaded so long ago that have no unfinished job."""
    busy = select(Job.photo_id).where(Job.status.in_([JobStatus.PENDING, JobStatus.PROCESSING]))
    old = Photo.created_at < func.now() - timedelta(days=days)
    return (await db.scalars(select(Photo).where(old, Photo.id.not_in(busy)))).all()


async def expired_uploads(db: AsyncSession) -> Sequence[Upload]:
    """Signed uploads that nobody completed in time."""
    return (await db.scalars(select(Upload).where(Upload.expires_at < func.now()))).all()


async def known_photos(db: AsyncSession, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these ids are photos, or uploads that are being completed."""
    return {*await db.scalars(select(Photo.id).where(Photo.id.in_(ids))), *await known_uploads(db, ids)}


async def known_uploads(db: AsyncSession, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these ids are uploads that are not complete."""
    return set(await db.scalars(select(Upload.id).where(Upload.id.in_(ids))))


async def jobs_with_objects(db: AsyncSession, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these ids are jobs that may own objects: not those that failed or were cancelled."""
    wanted = Job.status.not_in([JobStatus.FAILED, JobStatus.CANCELLED])
    return set(await db.scalars(select(Job.id).where(Job.id.in_(ids), wanted)))


async def forget_old_keys(db: AsyncSession) -> int:
    """Delete idempotency keys and daily sums whose time is over; returns how many rows went."""
    keys = delete(FirstAnswer).where(FirstAnswer.created_at < func.now() - KEYS_KEPT).returning(FirstAnswer.key)
    days = delete(DailyBytes).where(DailyBytes.day < func.current_date() - 1).returning(DailyBytes.day)
    return len((await db.execute(keys)).all()) + len((await db.execute(days)).all())
