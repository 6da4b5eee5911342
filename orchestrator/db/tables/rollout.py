"""Versions of models, which jobs they serve, and what shadows answered."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ForeignKey,
    Index,
    false,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from orchestrator.db.tables.base import Base


class ModelVersion(Base):
    """A version of a model. Once withdrawn, it is no longer in the repository, and no new route may name it.

    An experimental one may be a shadow, and gets no jobs.
    """

    __tablename__ = "model_versions"
    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str | None]
    card: Mapped[str | None]
    scores: Mapped[dict[str, Any] | None]
    published_by: Mapped[str]
    published_at: Mapped[datetime] = mapped_column(server_default=func.now())
    withdrawn_at: Mapped[datetime | None]
    experimental: Mapped[bool] = mapped_column(server_default=false())


class ModelRoute(Base):
    """Which versions serve which percentage of a model's jobs; the newest row of a model is in force.

    `baseline` is the version that the others are compared with; `restores` is the row that a rollback went back to.
    """

    __tablename__ = "model_routes"
    __table_args__ = (Index(None, "name", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    shares: Mapped[dict[str, int]]
    shadow: Mapped[str | None]
    baseline: Mapped[str]
    set_by: Mapped[str]
    set_at: Mapped[datetime]
    reason: Mapped[str]
    restores: Mapped[int | None]


class ShadowRun(Base):
    """A shadow beside the primary (`shown`), on one job: how alike their results were (IoU, or PSNR in dB)."""

    __tablename__ = "shadow_runs"
    __table_args__ = (Index(None, "name", "version", "at"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    name: Mapped[str]
    version: Mapped[str]
    shown: Mapped[str]
    likeness: Mapped[float | None]
    error: Mapped[str | None]
    ms: Mapped[int]
    shown_ms: Mapped[int]
    at: Mapped[datetime] = mapped_column(server_default=func.now())
