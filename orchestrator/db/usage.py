"""What users and tenants have used, added up by day (UTC). Deleting photos and jobs does not lower it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import DailyUsage, Job

COUNTED = ("jobs", "completed", "failed", "model_ms", "upload_bytes")
MODEL_STEPS = ("segmenting", "enhancing")  # the steps that wait for networks


@dataclass(frozen=True)
class UsageRow:
    """One day of a user, or of a tenant."""

    day: date
    tenant: str
    jobs: int
    completed: int
    failed: int
    model_ms: int
    upload_bytes: int


async def add(session: AsyncSession, user: UUID, tenant: str, **more: int) -> None:
    """Add to what the user has used today."""
    row = upsert(DailyUsage).values(user_id=user, day=datetime.now(UTC).date(), tenant=tenant, **more)
    sums = {name: getattr(DailyUsage, name) + getattr(row.excluded, name) for name in more}
    await session.execute(row.on_conflict_do_update(index_elements=["user_id", "day", "tenant"], set_=sums))


async def add_ended(session: AsyncSession, job: Job) -> None:
    """Add a job that has just ended to what its user has used."""
    completed, failed = (int(job.status == status) for status in (JobStatus.COMPLETED, JobStatus.FAILED))
    model_ms = sum(int((job.step_ms or {}).get(step, 0)) for step in MODEL_STEPS)
    counted = {"jobs": 1, "completed": completed, "failed": failed, "model_ms": model_ms}
    await add(session, job.user_id, job.tenant or "", **counted)


async def of_user(session: AsyncSession, user: UUID, days: int) -> list[UsageRow]:
    """The user's last days, the newest first; days without use are left out."""
    return await _by_day(session, [DailyUsage.user_id == user], days, by_tenant=False)


async def by_tenant(session: AsyncSession, days: int) -> list[UsageRow]:
    """Every tenant's last days, the newest first; users without a tenant count as the tenant ""."""
    return await _by_day(session, [], days, by_tenant=True)


async def _by_day(
    session: AsyncSession, wanted: Sequence[ColumnElement[bool]], days: int, by_tenant: bool
) -> list[UsageRow]:
    since = datetime.now(UTC).date() - timedelta(days=days - 1)
    tenant = [DailyUsage.tenant] if by_tenant else []
    sums = [func.sum(getattr(DailyUsage, name)) for name in COUNTED]
    query = select(DailyUsage.day, *sums, *tenant).where(DailyUsage.day >= since, *wanted)
    rows = await session.execute(query.group_by(DailyUsage.day, *tenant).order_by(DailyUsage.day.desc(), *tenant))
    return [_row(*row) for row in rows]


def _row(day: date, *counts: Any) -> UsageRow:
    numbers, tenant = counts[: len(COUNTED)], counts[len(COUNTED) :]
    return UsageRow(day, str(tenant[0]) if tenant else "", *map(int, numbers))
