"""What has outlived its time, and which objects in the store have an owner."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import DailyBytes, IdempotencyRecord, Job, Photo, Upload

KEYS_KEPT = timedelta(hours=24)  # the contract's time for idempotency keys


async def stale_jobs(session: AsyncSession, days: float) -> Sequence[Job]:
    """Failed and cancelled jobs that ended so long ago."""
    ended = Job.status.in_([JobStatus.FAILED, JobStatus.CANCELLED])
    return (await session.scalars(select(Job).where(ended, Job.completed_at < func.now() - timedelta(days=days)))).all()


async def delete_jobs(session: AsyncSession, job_ids: Sequence[UUID]) -> None:
    """Delete the rows of these jobs."""
    await session.execute(delete(Job).where(Job.id.in_(job_ids)))


async def old_photos(session: AsyncSession, days: float) -> Sequence[Photo]:
    """Photos uploaded so long ago that have no unfinished job."""
    busy = select(Job.photo_id).where(Job.status.in_([JobStatus.PENDING, JobStatus.PROCESSING]))
    old = Photo.created_at < func.now() - timedelta(days=days)
    return (await session.scalars(select(Photo).where(old, Photo.id.not_in(busy)))).all()


async def expired_uploads(session: AsyncSession) -> Sequence[Upload]:
    """Signed uploads that nobody completed in time."""
    return (await session.scalars(select(Upload).where(Upload.expires_at < func.now()))).all()


async def known_photos(session: AsyncSession, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these ids are photos, or uploads that are being completed."""
    return {*await session.scalars(select(Photo.id).where(Photo.id.in_(ids))), *await known_uploads(session, ids)}


async def known_uploads(session: AsyncSession, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these ids are uploads that are not complete."""
    return set(await session.scalars(select(Upload.id).where(Upload.id.in_(ids))))


async def jobs_with_objects(session: AsyncSession, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these ids are jobs that may own objects: not those that failed or were cancelled."""
    wanted = Job.status.not_in([JobStatus.FAILED, JobStatus.CANCELLED])
    return set(await session.scalars(select(Job.id).where(Job.id.in_(ids), wanted)))


async def delete_old_idempotency_keys(session: AsyncSession) -> int:
    """Delete idempotency keys and daily sums whose time is over; returns how many rows went."""
    keys = (
        delete(IdempotencyRecord)
        .where(IdempotencyRecord.created_at < func.now() - KEYS_KEPT)
        .returning(IdempotencyRecord.key)
    )
    days = delete(DailyBytes).where(DailyBytes.day < func.current_date() - 1).returning(DailyBytes.day)
    return len((await session.execute(keys)).all()) + len((await session.execute(days)).all())
