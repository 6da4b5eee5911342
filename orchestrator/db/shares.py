"""Shared results."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Job, Share


async def add_share(session: AsyncSession, user: UUID, job_id: UUID, token: str, lifetime_s: float) -> Share:
    """Add a share of the user's job."""
    expires_at = func.now() + timedelta(seconds=lifetime_s)
    values = {"user_id": user, "job_id": job_id, "token": token, "expires_at": expires_at}
    return (await session.execute(insert(Share).values(**values).returning(Share))).scalar_one()


async def shares_by_id(session: AsyncSession, user: UUID, ids: Sequence[UUID]) -> Sequence[Share]:
    """The user's shares with these ids."""
    return (await session.scalars(select(Share).where(Share.user_id == user, Share.id.in_(ids)))).all()


async def shares_of(session: AsyncSession, user: UUID, job_id: UUID) -> Sequence[Share]:
    """The shares of the user's job that can be opened, oldest first."""
    open_ones = Share.revoked_at.is_(None), Share.expires_at > func.now()
    query = select(Share).where(Share.user_id == user, Share.job_id == job_id, *open_ones)
    return (await session.scalars(query.order_by(Share.created_at))).all()


async def revoke(session: AsyncSession, user: UUID, job_id: UUID, share_id: UUID) -> bool:
    """Close a share of the user's job; False if there is none, or it was closed before."""
    own = Share.id == share_id, Share.user_id == user, Share.job_id == job_id, Share.revoked_at.is_(None)
    statement = update(Share).where(*own).values(revoked_at=func.now()).returning(Share.id)
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def shared_job(session: AsyncSession, token: str) -> Job | None:
    """The job whose result may be seen with this token; None for one that is unknown, expired or revoked."""
    query = (
        select(Job)
        .join(Share, Share.job_id == Job.id)
        .where(Share.token == token, Share.revoked_at.is_(None), Share.expires_at > func.now())
        .where(Job.status == JobStatus.COMPLETED)
    )
    return (await session.execute(query)).scalar_one_or_none()
