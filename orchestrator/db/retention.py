"""Rows whose retention time is over, and which objects in the store have an owner."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import DailyBytes, IdempotencyRecord, Job, Photo, Upload

IDEMPOTENCY_TIME = timedelta(hours=24)  # fixed by the contract


async def stale_jobs(session: AsyncSession, days: float) -> Sequence[Job]:
    """Failed and cancelled jobs that ended more than `days` ago."""
    ended = Job.status.in_([JobStatus.FAILED, JobStatus.CANCELLED])
    return (await session.scalars(select(Job).where(ended, Job.completed_at < func.now() - timedelta(days=days)))).all()


async def delete_jobs(session: AsyncSession, job_ids: Sequence[UUID]) -> None:
    """Delete the rows of these jobs."""
    await session.execute(delete(Job).where(Job.id.in_(job_ids)))


async def old_photos(session: AsyncSession, days: float) -> Sequence[Photo]:
    """Photos uploaded more than `days` ago that have no unfinished job."""
    busy = select(Job.photo_id).where(Job.status.in_([JobStatus.PENDING, JobStatus.PROCESSING]))
    old = Photo.created_at < func.now() - timedelta(days=days)
    return (await session.scalars(select(Photo).where(old, Photo.id.not_in(busy)))).all()


async def expired_uploads(session: AsyncSession) -> Sequence[Upload]:
    """Signed uploads that were not completed in time."""
    return (await session.scalars(select(Upload).where(Upload.expires_at < func.now()))).all()


async def known_photos(session: AsyncSession, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these ids are photos, or uploads that may become photos at this moment."""
    return {*await session.scalars(select(Photo.id).where(Photo.id.in_(ids))), *await known_uploads(session, ids)}


async def known_uploads(session: AsyncSession, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these ids are uploads that are not completed."""
    return set(await session.scalars(select(Upload.id).where(Upload.id.in_(ids))))


async def jobs_with_objects(session: AsyncSession, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these ids are jobs that may own objects: all but failed and cancelled ones."""
    wanted = Job.status.not_in([JobStatus.FAILED, JobStatus.CANCELLED])
    return set(await session.scalars(select(Job.id).where(Job.id.in_(ids), wanted)))


async def delete_old_idempotency_keys(session: AsyncSession) -> int:
    """Delete expired idempotency keys and daily upload totals; returns how many rows were deleted."""
    old_keys = delete(IdempotencyRecord).where(IdempotencyRecord.created_at < func.now() - IDEMPOTENCY_TIME)
    old_days = delete(DailyBytes).where(DailyBytes.day < func.current_date() - 1)
    keys = await session.execute(old_keys.returning(IdempotencyRecord.key))
    days = await session.execute(old_days.returning(DailyBytes.day))
    return len(keys.all()) + len(days.all())
