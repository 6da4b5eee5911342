"""Jobs: added, claimed, held, ended, recovered. Every change of state is a conditional UPDATE."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, CursorResult, and_, case, cast, func, null, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.job_states import ENDED, JobStatus, states_before
from orchestrator.db.tables import Job, Photo


async def add_job_for_other_eye(session: AsyncSession, job: Job, at: tuple[float, float]) -> Job:
    """Add a pending job like this one for the eye at a point of its photo, and let this one name it."""
    kept = ("user_id", "photo_id", "priority", "preview", "trace", "detail", "tenant")
    added = Job(**{name: getattr(job, name) for name in kept}, at_x=at[0], at_y=at[1])
    session.add(added)
    await session.flush()
    job.other_eye_job_id = added.id
    return added


async def jobs_by_id(session: AsyncSession, job_ids: Sequence[UUID]) -> list[Job]:
    """These jobs in this order; deleted ones are left out."""
    rows = {job.id: job for job in await session.scalars(select(Job).where(Job.id.in_(job_ids)))}
    return [rows[i] for i in job_ids if i in rows]


async def job_by_id(session: AsyncSession, job_id: UUID) -> Job | None:
    """The job, whichever user it belongs to."""
    return await session.get(Job, job_id)


async def unfinished_of(session: AsyncSession, user: UUID) -> Sequence[Job]:
    """The user's jobs that have not ended, oldest first."""
    query = select(Job).where(Job.user_id == user, Job.status.not_in(ENDED)).order_by(Job.created_at)
    return (await session.scalars(query)).all()


async def job_of(session: AsyncSession, user: UUID, job_id: UUID) -> Job | None:
    """The user's job; None if it belongs to another user."""
    query = select(Job).where(Job.id == job_id, Job.user_id == user)
    return (await session.execute(query)).scalar_one_or_none()


async def jobs_of(
    session: AsyncSession, user: UUID | None, limit: int, offset: int, status: str | None, photo_id: UUID | None
) -> tuple[Sequence[Job], int]:
    """One page of the user's jobs, or of everybody's, newest first, and how many match."""
    conditions: list[ColumnElement[bool]] = [Job.user_id == user] if user else []
    if status:
        conditions.append(Job.status == status)
    if photo_id:
        conditions.append(Job.photo_id == photo_id)
    page = select(Job).where(*conditions).order_by(Job.created_at.desc(), Job.id).limit(limit).offset(offset)
    rows = await session.scalars(page)
    total = await session.scalar(select(func.count()).select_from(Job).where(*conditions))
    return rows.all(), total or 0


async def claim(
    session: AsyncSession, job_id: UUID, lease_s: float, versions: dict[str, str]
) -> tuple[Job, Photo] | None:
    """Take a pending job: sets processing, counts the attempt, starts the lease. None if it is not pending.

    The first attempt gives the job its versions of the models; later attempts keep them.
    """
    statement = (
        update(Job)
        .where(Job.id == job_id, Job.status == JobStatus.PENDING)
        .values(
            status=JobStatus.PROCESSING,
            attempt=Job.attempt + 1,
            progress=0,
            retry_at=None,
            lease_until=func.now() + timedelta(seconds=lease_s),
            started_at=func.coalesce(Job.started_at, func.now()),
            model_versions=func.coalesce(Job.model_versions, cast(versions, JSONB)),
        )
        .returning(Job)
    )
    job = (await session.execute(statement)).scalar_one_or_none()
    photo = await session.get(Photo, job.photo_id) if job else None
    return (job, photo) if job and photo else None


def _held(job_id: UUID, attempt: int) -> ColumnElement[bool]:
    return and_(Job.id == job_id, Job.attempt == attempt, Job.status == JobStatus.PROCESSING)


async def renew(session: AsyncSession, job_id: UUID, attempt: int, lease_s: float) -> bool:
    """Extend the lease; False if this attempt no longer holds the job."""
    lease = func.now() + timedelta(seconds=lease_s)
    return await _changed(session, update(Job).where(_held(job_id, attempt)).values(lease_until=lease))


async def advance(session: AsyncSession, job_id: UUID, attempt: int, **values: Any) -> bool:
    """Record how far this attempt is (progress, current_step, preview_key); False if it no longer holds the job."""
    return await _changed(session, update(Job).where(_held(job_id, attempt)).values(**values))


async def hand_back(session: AsyncSession, job_id: UUID, attempt: int) -> bool:
    """Processing → pending, for another attempt at once; False if this attempt no longer holds the job."""
    change = update(Job).where(_held(job_id, attempt)).values(status=JobStatus.PENDING, lease_until=None)
    return await _changed(session, change)


async def retry_later(
    session: AsyncSession, job_id: UUID, attempt: int, max_failures: int, delay_s: float, other_versions: bool = False
) -> bool:
    """Processing → pending after an error, to be retried in `delay_s`; False if this was one error too many.

    With `other_versions`, versions of the models are chosen again for the next attempt.
    """
    versions = {"model_versions": null()} if other_versions else {}
    change = (
        update(Job)
        .where(_held(job_id, attempt), Job.failures + 1 < max_failures)
        .values(
            status=JobStatus.PENDING,
            lease_until=None,
            failures=Job.failures + 1,
            retry_at=func.now() + timedelta(seconds=delay_s),
            **versions,
        )
    )
    return await _changed(session, change)


async def due_retries(session: AsyncSession, limit: int = 100) -> Sequence[Job]:
    """Clear `retry_at` of jobs whose retry is due, and return them."""
    due = and_(Job.status == JobStatus.PENDING, Job.retry_at < func.now())
    ids = select(Job.id).where(due).limit(limit).with_for_update(skip_locked=True)
    statement = update(Job).where(Job.id.in_(ids.scalar_subquery()), due).values(retry_at=None).returning(Job)
    return (await session.scalars(statement)).all()


def _at_least(announced: Mapping[UUID, int]) -> ColumnElement[int]:
    """Each job's progress, or what its watchers were told where that is more: rows are written less often."""
    least = case(dict(announced), value=Job.id, else_=0) if announced else 0
    return func.greatest(Job.progress, least)


async def end(session: AsyncSession, job_id: UUID, attempt: int, status: JobStatus, **values: Any) -> Job | None:
    """The final write, fenced by the attempt; None if this attempt no longer holds the job."""
    statement = (
        update(Job)
        .where(_held(job_id, attempt), Job.status.in_(states_before(status)))
        .values(status=status, lease_until=None, completed_at=func.now(), **values)
        .returning(Job)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def ended_by(session: AsyncSession, job_id: UUID, attempt: int, status: JobStatus) -> Job | None:
    """The job, if exactly this attempt ended it in this state."""
    query = select(Job).where(Job.id == job_id, Job.attempt == attempt, Job.status == status)
    return (await session.execute(query)).scalar_one_or_none()


async def cancel(
    session: AsyncSession, job_ids: Sequence[UUID], announced: Mapping[UUID, int] | None = None
) -> Sequence[Job]:
    """Cancel those of these jobs that have not ended, even if a worker holds them; returns the jobs that this ended.

    `announced` is the progress that watchers were told last: no row ends with less.
    """
    statement = (
        update(Job)
        .where(Job.id.in_(job_ids), Job.status.in_(states_before(JobStatus.CANCELLED)))
        .values(
            status=JobStatus.CANCELLED,
            lease_until=None,
            completed_at=func.now(),
            current_step="Cancelled",
            progress=_at_least(announced or {}),
        )
        .returning(Job)
    )
    return (await session.scalars(statement)).all()


async def take_back_expired(session: AsyncSession, limit: int = 100) -> Sequence[Job]:
    """Make jobs pending whose lease ran out. Rows that another sweeper has locked are skipped."""
    expired = and_(Job.status == JobStatus.PROCESSING, Job.lease_until < func.now())
    ids = select(Job.id).where(expired).order_by(Job.created_at).limit(limit).with_for_update(skip_locked=True)
    statement = (
        update(Job)
        .where(Job.id.in_(ids.scalar_subquery()), expired)
        .values(status=JobStatus.PENDING, lease_until=None)
        .returning(Job)
    )
    return (await session.scalars(statement)).all()


async def end_exhausted(
    session: AsyncSession, job_ids: Sequence[UUID], max_attempts: int, announced: Mapping[UUID, int], **values: Any
) -> Sequence[Job]:
    """Fail those of these pending jobs that have used up their attempts; `announced` as in `cancel`."""
    statement = (
        update(Job)
        .where(Job.id.in_(job_ids), Job.status == JobStatus.PENDING, Job.attempt >= max_attempts)
        .values(status=JobStatus.FAILED, completed_at=func.now(), progress=_at_least(announced), **values)
        .returning(Job)
    )
    return (await session.scalars(statement)).all()


async def waiting_since(session: AsyncSession, seconds: float, limit: int = 10_000) -> Sequence[Job]:
    """Pending jobs that have not changed for `seconds`, longest first: the queue may have lost them."""
    silent = Job.updated_at < func.now() - timedelta(seconds=seconds)
    query = (
        select(Job)
        .where(Job.status == JobStatus.PENDING, Job.retry_at.is_(None), silent)
        .order_by(Job.updated_at)
        .limit(limit)
    )
    return (await session.scalars(query)).all()


def has_ended(job: Job) -> bool:
    """Whether the job is in one of its last states."""
    return JobStatus(job.status) in ENDED


async def _changed(session: AsyncSession, statement: Any) -> bool:
    result = await session.execute(statement)
    return isinstance(result, CursorResult) and result.rowcount == 1
