"""Photos and signed uploads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Job, Photo, Upload


async def add_photo(session: AsyncSession, **values: Any) -> Photo:
    """Add a photo whose bytes are already in the object store."""
    return (await session.execute(insert(Photo).values(**values).returning(Photo))).scalar_one()


async def photo_of(session: AsyncSession, user: UUID, photo_id: UUID) -> Photo | None:
    """The user's photo; None if it belongs to another user."""
    query = select(Photo).where(Photo.id == photo_id, Photo.user_id == user)
    return (await session.execute(query)).scalar_one_or_none()


async def photos_of(
    session: AsyncSession, user: UUID, limit: int, offset: int, status: str | None = None
) -> tuple[Sequence[Photo], int]:
    """One page of the user's photos, newest first, and how many there are; with `status` those in this state."""
    wanted = [Photo.user_id == user]
    if status:
        wanted.append(Photo.ai_processing_status == status)
    page = select(Photo).where(*wanted).order_by(Photo.created_at.desc(), Photo.id).limit(limit).offset(offset)
    rows = await session.scalars(page)
    total = await session.scalar(select(func.count()).select_from(Photo).where(*wanted))
    return rows.all(), total or 0


@dataclass(frozen=True)
class JobsOfPhoto:
    """A photo's newest job, and its newest good result, however many failed after it."""

    latest: Job | None = None
    result: Job | None = None


async def newest_jobs(session: AsyncSession, photo_ids: Sequence[UUID]) -> dict[UUID, JobsOfPhoto]:
    """The newest job and the newest good result of each of these photos."""
    newest = select(Job).where(Job.photo_id.in_(photo_ids)).distinct(Job.photo_id)
    good = newest.where(Job.status == JobStatus.COMPLETED).order_by(Job.photo_id, Job.completed_at.desc())
    rows = await session.scalars(newest.order_by(Job.photo_id, Job.created_at.desc()))
    latest = {job.photo_id: job for job in rows}
    results = {job.photo_id: job for job in await session.scalars(good)}
    return {photo_id: JobsOfPhoto(latest.get(photo_id), results.get(photo_id)) for photo_id in photo_ids}


async def job_ids_of_photo(session: AsyncSession, photo_id: UUID) -> list[UUID]:
    """All jobs of a photo, ended or not, oldest first."""
    return list(await session.scalars(select(Job.id).where(Job.photo_id == photo_id).order_by(Job.created_at)))


async def delete_photo(session: AsyncSession, photo_id: UUID) -> bool:
    """Delete the photo's row and, by cascade, those of its jobs; False if it was deleted before."""
    return bool((await session.scalars(delete(Photo).where(Photo.id == photo_id).returning(Photo.id))).all())


# Signed uploads
async def add_upload(session: AsyncSession, lifetime_s: float, **values: Any) -> Upload:
    """Add an upload that may be completed within `lifetime_s`."""
    expires_at = func.now() + timedelta(seconds=lifetime_s)
    return (
        await session.execute(insert(Upload).values(expires_at=expires_at, **values).returning(Upload))
    ).scalar_one()


async def upload_of(session: AsyncSession, user: UUID, upload_id: UUID, lock: bool = False) -> Upload | None:
    """The user's upload, while it is not complete; None if it belongs to another user."""
    query = select(Upload).where(Upload.id == upload_id, Upload.user_id == user)
    return (await session.execute(query.with_for_update() if lock else query)).scalar_one_or_none()


async def open_upload(session: AsyncSession, upload_id: UUID) -> Upload | None:
    """An upload that is not complete and has not expired, of any user: a signed address has named it."""
    query = select(Upload).where(Upload.id == upload_id, Upload.expires_at > func.now())
    return (await session.execute(query)).scalar_one_or_none()


async def delete_upload(session: AsyncSession, upload_id: UUID) -> None:
    """Delete the upload's row."""
    await session.execute(delete(Upload).where(Upload.id == upload_id))
