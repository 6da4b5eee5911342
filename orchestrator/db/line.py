"""What the time that is left is learned from: jobs in hand, jobs that wait, and how long recent ones took."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Job

RECENT = 30


@dataclass(frozen=True)
class RecentJob:
    """A job that ended at its first attempt: seconds from claim to end, and milliseconds by step if it completed."""

    seconds: float
    step_ms: dict[str, Any] | None


async def waiting(session: AsyncSession, limit: int) -> Sequence[Job]:
    """Jobs that a worker may take now, oldest first."""
    query = select(Job).where(Job.status == JobStatus.PENDING, Job.retry_at.is_(None))
    return (await session.scalars(query.order_by(Job.created_at).limit(limit))).all()


async def progress_in_hand(session: AsyncSession) -> list[int]:
    """The progress of every job that a worker has in hand."""
    return list(await session.scalars(select(Job.progress).where(Job.status == JobStatus.PROCESSING)))


async def recent(session: AsyncSession) -> list[RecentJob]:
    """The last few jobs that ended at their first attempt."""
    seconds = func.extract("epoch", Job.completed_at - Job.started_at)
    query = (
        select(seconds, Job.step_ms)
        .where(Job.status.in_([JobStatus.COMPLETED, JobStatus.FAILED]), Job.attempt == 1)
        .order_by(Job.completed_at.desc())
        .limit(RECENT)
    )
    return [RecentJob(float(length), step_ms) for length, step_ms in await session.execute(query)]
