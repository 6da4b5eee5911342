"""What the time that is left is learned from: jobs in hand, jobs that wait, and how long recent ones took."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Job

RECENT = 30


@dataclass(frozen=True)
class JobInHand:
    """A job that a worker has: its progress, and the seconds since its claim if this is the first attempt."""

    progress: int
    taken_s: float | None = None


@dataclass(frozen=True)
class RecentJob:
    """A job that ended at its first attempt: seconds from claim to end; if it completed, its steps and its result."""

    seconds: float
    step_ms: dict[str, Any] | None
    result_px: int


async def waiting(session: AsyncSession, limit: int) -> Sequence[Job]:
    """Jobs that a worker may take now, oldest first."""
    query = select(Job).where(Job.status == JobStatus.PENDING, Job.retry_at.is_(None))
    return (await session.scalars(query.order_by(Job.created_at).limit(limit))).all()


async def in_hand(session: AsyncSession) -> list[JobInHand]:
    """Every job that a worker has."""
    taken_s = func.extract("epoch", func.now() - Job.started_at)
    query = select(Job.progress, case((Job.attempt == 1, taken_s))).where(Job.status == JobStatus.PROCESSING)
    return [JobInHand(progress, seconds and float(seconds)) for progress, seconds in await session.execute(query)]


async def recent(session: AsyncSession) -> list[RecentJob]:
    """The last few jobs that ended at their first attempt."""
    seconds = func.extract("epoch", Job.completed_at - Job.started_at)
    query = (
        select(seconds, Job.step_ms, func.coalesce(Job.result_width * Job.result_height, 0))
        .where(Job.status.in_([JobStatus.COMPLETED, JobStatus.FAILED]), Job.attempt == 1)
        .order_by(Job.completed_at.desc())
        .limit(RECENT)
    )
    return [RecentJob(float(length), *others) for length, *others in await session.execute(query)]
