"""Rows of models: versions, routes (rows are only ever added), shadow runs, and the jobs that the guard compares."""

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

MAX_ROWS = 20_000  # jobs or shadow runs of one version that are read at once


async def lock_model(session: AsyncSession, name: str) -> None:
    """Let one change of a model happen at a time; held until the transaction ends."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 5))"), {"name": name})


async def try_lock_publishing(session: AsyncSession, name: str) -> bool:
    """Whether this session alone may publish the model now; held until the transaction ends."""
    query = text("SELECT pg_try_advisory_xact_lock(hashtextextended(:name, 6))")
    return bool(await session.scalar(query, {"name": name}))


async def model_versions(session: AsyncSession) -> Sequence[ModelVersion]:
    """All versions of all models, oldest first."""
    return (await session.scalars(select(ModelVersion).order_by(ModelVersion.name, ModelVersion.version))).all()


async def add_version(session: AsyncSession, name: str, version: int, by: str, **facts: Any) -> None:
    """Add a version; one that is known already is updated if there are `facts`: sha256, card, scores."""
    values = {"name": name, "version": version, "published_by": by, **facts}
    statement = upsert(ModelVersion).values(**values)
    updating = statement.on_conflict_do_update("pk_model_versions", set_={"published_by": by, **facts})
    await session.execute(updating if facts else statement.on_conflict_do_nothing())


async def current_routes(session: AsyncSession) -> dict[str, ModelRoute]:
    """The newest route of each model that has one."""
    newest = select(ModelRoute).ext(distinct_on(ModelRoute.name)).order_by(ModelRoute.name, ModelRoute.id.desc())
    return {row.name: row for row in await session.scalars(newest)}


async def route_history(session: AsyncSession, name: str, limit: int = 100) -> Sequence[ModelRoute]:
    """The model's routes, newest first."""
    query = select(ModelRoute).where(ModelRoute.name == name).order_by(ModelRoute.id.desc()).limit(limit)
    return (await session.scalars(query)).all()


async def add_route(session: AsyncSession, name: str, shares: dict[str, int], **facts: Any) -> ModelRoute:
    """Add the model's route from now on; `facts` are shadow, baseline, set_by, reason and restores."""
    values = {"name": name, "shares": shares, "set_at": func.clock_timestamp(), **facts}
    route: ModelRoute = (await session.execute(insert(ModelRoute).values(**values).returning(ModelRoute))).scalar_one()
    return route


async def set_withdrawn(session: AsyncSession, name: str, version: int, withdrawn: bool) -> None:
    """Record that a version was taken out of the repository, or put back."""
    where = ModelVersion.name == name, ModelVersion.version == version
    await session.execute(update(ModelVersion).where(*where).values(withdrawn_at=func.now() if withdrawn else None))


async def jobs_held_by(session: AsyncSession, name: str, version: str) -> int:
    """How many unfinished jobs are served by this version."""
    query = select(func.count()).select_from(Job).where(text(UNFINISHED), Job.model_versions[name].astext == version)
    return await session.scalar(query) or 0


@dataclass(frozen=True)
class JobOutcome:
    """How a job of a version ended: when, whether it failed, its quality score (0–1) and its time."""

    at: datetime
    failed: bool
    quality: float | None
    ms: int | None


async def job_outcomes(session: AsyncSession, route: ModelRoute, version: str) -> list[JobOutcome]:
    """The jobs that began under this route with this version and have ended, the first to end first."""
    query = (
        select(Job.completed_at, Job.status, Job.quality_score, Job.processing_time_ms)
        .where(
            Job.completed_at >= route.set_at,
            Job.started_at >= route.set_at,
            Job.status.in_((JobStatus.COMPLETED, JobStatus.FAILED)),
            Job.model_versions[route.name].astext == version,
        )
        .order_by(Job.completed_at)
        .limit(MAX_ROWS)
    )
    rows = await session.execute(query)
    return [JobOutcome(at, status == JobStatus.FAILED, score, ms) for at, status, score, ms in rows if at]


async def add_shadow_run(session: AsyncSession, **values: Any) -> None:
    """Add what a shadow did on one job."""
    await session.execute(insert(ShadowRun).values(**values))


async def shadow_runs(session: AsyncSession, name: str, version: str, limit: int = MAX_ROWS) -> Sequence[ShadowRun]:
    """What a shadow did, job by job, newest first."""
    query = select(ShadowRun).where(ShadowRun.name == name, ShadowRun.version == version)
    return (await session.scalars(query.order_by(ShadowRun.id.desc()).limit(limit))).all()
