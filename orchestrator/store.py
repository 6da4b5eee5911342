"""Every SQL statement. Functions take an open session; whoever opened it commits (jobs.py, once a use case)."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, CursorResult, and_, delete, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.tables import ENDED, Job, JobStatus, Photo, User, states_before


async def ensure_user(db: AsyncSession, user: UUID) -> None:
    """Make the user's row on the first call."""
    await db.execute(upsert(User).values(id=user).on_conflict_do_nothing())


# Photos
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


async def delete_photo(db: AsyncSession, photo_id: UUID) -> list[UUID]:
    """Delete the photo and its jobs; returns the ids of the jobs, whose objects must go too."""
    job_ids = list(await db.scalars(delete(Job).where(Job.photo_id == photo_id).returning(Job.id)))
    await db.execute(delete(Photo).where(Photo.id == photo_id))
    return job_ids


# Jobs
async def add_jobs(db: AsyncSession, user: UUID, photo_ids: Sequence[UUID], priority: str) -> list[Job]:
    """Insert one pending job a photo, in this order."""
    jobs = []
    for photo_id in photo_ids:
        row = insert(Job).values(user_id=user, photo_id=photo_id, priority=priority).returning(Job)
        jobs.append((await db.execute(row)).scalar_one())
    return jobs


async def job_of(db: AsyncSession, user: UUID, job_id: UUID) -> Job | None:
    """The user's job; somebody else's is as good as none."""
    query = select(Job).where(Job.id == job_id, Job.user_id == user)
    return (await db.execute(query)).scalar_one_or_none()


async def jobs_of(
    db: AsyncSession, user: UUID, limit: int, offset: int, status: str | None, photo_id: UUID | None
) -> tuple[Sequence[Job], int]:
    """One page of the user's jobs, newest first, and how many match."""
    wanted: list[ColumnElement[bool]] = [Job.user_id == user]
    if status:
        wanted.append(Job.status == status)
    if photo_id:
        wanted.append(Job.photo_id == photo_id)
    page = select(Job).where(*wanted).order_by(Job.created_at.desc(), Job.id).limit(limit).offset(offset)
    rows = await db.scalars(page)
    total = await db.scalar(select(func.count()).select_from(Job).where(*wanted))
    return rows.all(), total or 0


async def claim(db: AsyncSession, job_id: UUID, lease_s: float) -> tuple[Job, Photo] | None:
    """Take a pending job: sets processing, counts the attempt, starts the lease. None if it is not pending."""
    statement = (
        update(Job)
        .where(Job.id == job_id, Job.status == JobStatus.PENDING)
        .values(
            status=JobStatus.PROCESSING,
            attempt=Job.attempt + 1,
            progress=0,
            lease_until=func.now() + timedelta(seconds=lease_s),
            started_at=func.coalesce(Job.started_at, func.now()),
        )
        .returning(Job)
    )
    job = (await db.execute(statement)).scalar_one_or_none()
    photo = await db.get(Photo, job.photo_id) if job else None
    return (job, photo) if job and photo else None


def _held(job_id: UUID, attempt: int) -> ColumnElement[bool]:
    return and_(Job.id == job_id, Job.attempt == attempt, Job.status == JobStatus.PROCESSING)


async def renew(db: AsyncSession, job_id: UUID, attempt: int, lease_s: float) -> bool:
    """Prolong the lease; False if this attempt no longer holds the job."""
    lease = func.now() + timedelta(seconds=lease_s)
    return await _changed(db, update(Job).where(_held(job_id, attempt)).values(lease_until=lease))


async def advance(db: AsyncSession, job_id: UUID, attempt: int, progress: int, step: str) -> bool:
    """Write down how far this attempt is; False if it no longer holds the job."""
    change = update(Job).where(_held(job_id, attempt)).values(progress=progress, current_step=step)
    return await _changed(db, change)


async def hand_back(db: AsyncSession, job_id: UUID, attempt: int) -> bool:
    """Processing → pending, for another attempt; False if this attempt no longer holds the job."""
    change = update(Job).where(_held(job_id, attempt)).values(status=JobStatus.PENDING, lease_until=None)
    return await _changed(db, change)


async def end(db: AsyncSession, job_id: UUID, attempt: int, status: JobStatus, **values: Any) -> Job | None:
    """The final write, fenced by the attempt; None if this attempt no longer holds the job."""
    statement = (
        update(Job)
        .where(_held(job_id, attempt), Job.status.in_(states_before(status)))
        .values(status=status, lease_until=None, completed_at=func.now(), **values)
        .returning(Job)
    )
    return (await db.execute(statement)).scalar_one_or_none()


async def lost_jobs(db: AsyncSession, waiting_s: float, limit: int = 100) -> Sequence[Job]:
    """Take back jobs whose lease ran out, and name those that have waited so long that the queue may have lost them.

    Rows that another sweeper looks at are skipped. `updated_at` is touched, so a job is named once per `waiting_s`.
    """
    expired = and_(Job.status == JobStatus.PROCESSING, Job.lease_until < func.now())
    waiting = and_(Job.status == JobStatus.PENDING, Job.updated_at < func.now() - timedelta(seconds=waiting_s))
    found = select(Job.id).where(or_(expired, waiting)).order_by(Job.created_at).limit(limit)
    statement = (
        update(Job)
        .where(Job.id.in_(found.with_for_update(skip_locked=True).scalar_subquery()))
        .values(status=JobStatus.PENDING, lease_until=None, updated_at=func.now())
        .returning(Job)
    )
    return (await db.scalars(statement)).all()


def has_ended(job: Job) -> bool:
    """Whether the job is in one of its last states."""
    return JobStatus(job.status) in ENDED


async def alive(db: AsyncSession) -> None:
    """Fail if the database does not answer."""
    await db.execute(text("SELECT 1"))


async def _changed(db: AsyncSession, statement: Any) -> bool:
    result = await db.execute(statement)
    return isinstance(result, CursorResult) and result.rowcount == 1
