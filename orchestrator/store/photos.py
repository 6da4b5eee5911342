"""Users, photos and signed uploads."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.tables import Job, JobStatus, Photo, Upload, User


async def ensure_user(db: AsyncSession, user: UUID) -> None:
    """Make the user's row on the first call."""
    await db.execute(upsert(User).values(id=user).on_conflict_do_nothing())


async def lock_user(db: AsyncSession, user: UUID) -> None:
    """Make the user's row and hold it until the end of the transaction: what is counted meanwhile stays true."""
    await ensure_user(db, user)
    await db.execute(select(User.id).where(User.id == user).with_for_update(key_share=True))


async def add_photo(db: AsyncSession, **values: Any) -> Photo:
    """Insert a photo whose bytes are already in the object store."""
    return (await db.execute(insert(Photo).values(**values).returning(Photo))).scalar_one()


async def photo_of(db: AsyncSession, user: UUID, photo_id: UUID, lock: bool = False) -> Photo | None:
    """The user's photo; somebody else's is as good as none."""
    query = select(Photo).where(Photo.id == photo_id, Photo.user_id == user)
    return (await db.execute(query.with_for_update() if lock else query)).scalar_one_or_none()


async def photos_of(db: AsyncSession, user: UUID, limit: int, offset: int) -> tuple[Sequence[Photo], int]:
    """One page of the user's photos, newest first, and how many there are."""
    mine = Photo.user_id == user
    rows = await db.scalars(
        select(Photo).where(mine).order_by(Photo.created_at.desc(), Photo.id).limit(limit).offset(offset)
    )
    total = await db.scalar(select(func.count()).select_from(Photo).where(mine))
    return rows.all(), total or 0


async def latest_ended_jobs(db: AsyncSession, photo_ids: Sequence[UUID]) -> dict[UUID, Job]:
    """For each photo its latest job that completed or failed."""
    rows = await db.scalars(
        select(Job)
        .where(Job.photo_id.in_(photo_ids), Job.status.in_([JobStatus.COMPLETED, JobStatus.FAILED]))
        .distinct(Job.photo_id)
        .order_by(Job.photo_id, Job.completed_at.desc())
    )
    return {job.photo_id: job for job in rows}


async def job_ids_of_photo(db: AsyncSession, photo_id: UUID) -> list[UUID]:
    """All jobs of a photo, ended or not."""
    return list(await db.scalars(select(Job.id).where(Job.photo_id == photo_id)))


async def delete_photo(db: AsyncSession, photo_id: UUID) -> bool:
    """Delete the photo's row and, by cascade, its jobs'; False if it was gone."""
    return bool((await db.scalars(delete(Photo).where(Photo.id == photo_id).returning(Photo.id))).all())


# Signed uploads
async def add_upload(db: AsyncSession, lifetime_s: float, **values: Any) -> Upload:
    """Insert an upload that may be completed for so long."""
    expires_at = func.now() + timedelta(seconds=lifetime_s)
    return (await db.execute(insert(Upload).values(expires_at=expires_at, **values).returning(Upload))).scalar_one()


async def upload_of(db: AsyncSession, user: UUID, upload_id: UUID, lock: bool = False) -> Upload | None:
    """The user's upload that is not complete yet; somebody else's is as good as none."""
    query = select(Upload).where(Upload.id == upload_id, Upload.user_id == user)
    return (await db.execute(query.with_for_update() if lock else query)).scalar_one_or_none()


async def open_upload(db: AsyncSession, upload_id: UUID) -> Upload | None:
    """An upload that is not complete and has not expired, whoever's; the caller has a signed address for it."""
    query = select(Upload).where(Upload.id == upload_id, Upload.expires_at > func.now())
    return (await db.execute(query)).scalar_one_or_none()


async def delete_upload(db: AsyncSession, upload_id: UUID) -> None:
    """Delete the upload's row."""
    await db.execute(delete(Upload).where(Upload.id == upload_id))
