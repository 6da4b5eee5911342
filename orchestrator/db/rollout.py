"""Rows of models: their versions, and routes that are only ever added."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import UNFINISHED, Job, ModelRoute, ModelVersion, ShadowRun

AT_MOST = 20_000  # jobs of one version that are looked at


async def lock_model(session: AsyncSession, name: str) -> None:
    """One change of a model at a time, until the transaction ends."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 5))"), {"name": name})


async def try_lock_publishing(session: AsyncSession, name: str) -> bool:
    """Whether nobody else publishes this model; held until the transaction ends."""
    query = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 6))")
    return bool(await session.scalar(query, {"name": name}))


async def model_versions(session: AsyncSession) -> Sequence[ModelVersion]:
    """All versions of all models, oldest first."""
    return (await session.scalars(select(ModelVersion).order_by(ModelVersion.name, ModelVersion.version))).all()


async def add_version(session: AsyncSession, name: str, version: int, by: str, **facts: Any) -> None:
    """Write down a version; one that is known already gets the facts, if there are any."""
    values = {"name": name, "version": version, "published_by": by, **facts}
    statement = upsert(ModelVersion).values(**values)
    again = statement.on_conflict_do_update("pk_model_versions", set_={"published_by": by, **facts})
    await session.execute(again if facts else statement.on_conflict_do_nothing())


async def current_routes(session: AsyncSession) -> dict[str, ModelRoute]:
    """The newest route of each model that has one."""
    newest = select(ModelRoute).ext(distinct_on(ModelRoute.name)).order_by(ModelRoute.name, ModelRoute.id.desc())
    return {row.name: row for row in await session.scalars(newest)}


async def route_history(session: AsyncSession, name: str, limit: int = 100) -> Sequence[ModelRoute]:
    """The model's routes, newest first."""
    query = select(ModelRoute).where(ModelRoute.name == name).order_by(ModelRoute.id.desc()).limit(limit)
    return (await session.scalars(query)).all()


async def add_route(session: AsyncSession, name: str, shares: dict[str, int], **more: Any) -> ModelRoute:
    """The model's route from now on; `more` has shadow, baseline, set_by, reason and restores."""
    values = {"name": name, "shares": shares, "set_at": func.clock_timestamp(), **more}
    made: ModelRoute = (await session.execute(insert(ModelRoute).values(**values).returning(ModelRoute))).scalar_one()
    return made


async def withdraw_version(session: AsyncSession, name: str, version: int, away: bool) -> None:
    """Write down that a version was taken out of the repository, or put back."""
    where = ModelVersion.name == name, ModelVersion.version == version
    await session.execute(update(ModelVersion).where(*where).values(withdrawn_at=func.now() if away else None))


async def jobs_held_by(session: AsyncSession, name: str, version: str) -> int:
    """How many unfinished jobs are served by this version."""
    held = select(func.count()).select_from(Job).where(text(UNFINISHED), Job.model_versions[name].astext == version)
    return await session.scalar(held) or 0


@dataclass(frozen=True)
class JobOutcome:
    """How a job that a version served has ended: when, whether it failed, its quality score (0–1) and time."""

    at: datetime
    failed: bool
    quality: float | None
    ms: int | None


async def job_outcomes(session: AsyncSession, route: ModelRoute, version: str) -> list[JobOutcome]:
    """The jobs that began under this route with this version and have ended, in the order in which they did."""
    query = (
        select(Job.completed_at, Job.status, Job.quality_score, Job.processing_time_ms)
        .where(
            Job.completed_at >= route.set_at,
            Job.started_at >= route.set_at,
            Job.status.in_((JobStatus.COMPLETED, JobStatus.FAILED)),
            Job.model_versions[route.name].astext == version,
        )
        .order_by(Job.completed_at)
        .limit(AT_MOST)
    )
    rows = await session.execute(query)
    return [JobOutcome(at, status == JobStatus.FAILED, score, ms) for at, status, score, ms in rows if at]


async def add_shadow_run(session: AsyncSession, **values: Any) -> None:
    """Write down how a shadow did."""
    await session.execute(insert(ShadowRun).values(**values))


async def shadow_runs(session: AsyncSession, name: str, version: str, limit: int = AT_MOST) -> Sequence[ShadowRun]:
    """What a shadow did, newest first."""
    query = select(ShadowRun).where(ShadowRun.name == name, ShadowRun.version == version)
    return (await session.scalars(query.order_by(ShadowRun.id.desc()).limit(limit))).all()
