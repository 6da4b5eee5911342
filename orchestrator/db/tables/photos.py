"""People, their photos, and the jobs that are run on them."""

from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    false,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from orchestrator.db.job_states import ENDED, JobStatus
from orchestrator.db.tables.base import Base

UNFINISHED = f"status IN ({', '.join(repr(s.value) for s in JobStatus if s not in ENDED)})"


class User(Base):
    """A user who has called at least once; the id is the subject of their tokens."""

    __tablename__ = "users"
    id: Mapped[UUID] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    consent_version: Mapped[str | None]  # of the terms on biometric data that they have consented to, and when
    consent_at: Mapped[datetime | None]


class Export(Base):
    """An archive of everything about a user, which a worker makes."""

    __tablename__ = "exports"
    __table_args__ = (
        Index(None, "user_id"),
        Index("ix_exports_pending", "created_at", postgresql_where="status = 'pending'"),
        CheckConstraint("status IN ('pending', 'completed', 'failed')", name="status"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    status: Mapped[str] = mapped_column(default="pending", server_default="pending")
    object_key: Mapped[str]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    ended_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]


class Photo(Base):
    """An uploaded original. Width and height are those of the upright picture, in pixels.

    `ai_processing_status` is kept by a trigger on jobs (migration 0014): of its unfinished job, or else completed where
    any job has completed, or else failed. It stays when failed jobs are cleaned up.
    """

    __tablename__ = "photos"
    __table_args__ = (
        Index(None, "user_id", "created_at"),
        Index(None, "user_id", "ai_processing_status", "created_at"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    object_key: Mapped[str]
    content_type: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    width: Mapped[int]
    height: Mapped[int]
    filename: Mapped[str | None]  # as sent
    ai_processing_status: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Upload(Base):
    """A photo that its user may put to a signed address. Once complete, it becomes a photo with the same id."""

    __tablename__ = "uploads"
    __table_args__ = (Index(None, "expires_at"),)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    object_key: Mapped[str]
    content_type: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    filename: Mapped[str | None]
    expires_at: Mapped[datetime]


class DailyBytes(Base):
    """How many bytes a user has uploaded on a day (UTC). Deleting photos does not lower it."""

    __tablename__ = "daily_bytes"
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)


class DailyUsage(Base):
    """What a user has used on a day (UTC), as a member of a tenant; "" where their tokens name none."""

    __tablename__ = "daily_usage"
    __table_args__ = (Index(None, "day"),)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(primary_key=True)
    jobs: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    completed: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    failed: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    model_ms: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    upload_bytes: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")


class IdempotencyRecord(Base):
    """What the first request with an idempotency key created: the ids of its photo, upload, webhook or jobs."""

    __tablename__ = "first_answers"
    __table_args__ = (Index(None, "created_at"),)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str]
    made: Mapped[list[str]] = mapped_column(default=list)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Job(Base):
    """One run of one photo. `attempt` fences: a write that names an older attempt changes nothing."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index(None, "user_id", "created_at"),
        Index(None, "photo_id"),
        Index("ix_jobs_unfinished", "status", "lease_until", postgresql_where=UNFINISHED),
        Index("ix_jobs_user_unfinished", "user_id", postgresql_where=UNFINISHED),
        Index(None, "completed_at"),
        Index("ix_jobs_ended", "completed_at", postgresql_where="status IN ('failed', 'cancelled')"),
        CheckConstraint(f"status IN ({', '.join(repr(s.value) for s in JobStatus)})", name="status"),
        CheckConstraint("progress BETWEEN 0 AND 100", name="progress"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    photo_id: Mapped[UUID] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"))
    status: Mapped[str] = mapped_column(default=JobStatus.PENDING.value)
    priority: Mapped[str] = mapped_column(default="interactive")
    current_step: Mapped[str] = mapped_column(default="Waiting in line...")
    progress: Mapped[int] = mapped_column(default=0)
    attempt: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0, server_default="0")  # attempts that ended in an error
    retry_at: Mapped[datetime | None]  # a pending job is not tried again before this
    lease_until: Mapped[datetime | None]
    error_type: Mapped[str | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    suggestion: Mapped[str | None]
    at_x: Mapped[float | None]  # where the sender says the eye is, 0–1 of the photo's width and height
    at_y: Mapped[float | None]
    eyes: Mapped[str | None]  # as asked for: best or all; None: best
    eyes_found: Mapped[int | None]
    other_eye_job_id: Mapped[UUID | None]  # made when this one ended, if all eyes were asked for
    detail: Mapped[str | None]  # as asked for; None: chosen from the photo
    detail_used: Mapped[str | None]
    preview: Mapped[bool] = mapped_column(default=False, server_default=false())
    preview_key: Mapped[str | None]
    result_key: Mapped[str | None]
    mask_key: Mapped[str | None]
    before_key: Mapped[str | None]  # the crop that became the result, as photographed
    thumbnails: Mapped[bool | None]
    result_width: Mapped[int | None]
    result_height: Mapped[int | None]
    processing_time_ms: Mapped[int | None]
    step_ms: Mapped[dict[str, Any] | None]
    quality_score: Mapped[float | None]
    quality_warnings: Mapped[list[str] | None]
    model_versions: Mapped[dict[str, Any] | None]
    provider: Mapped[str | None]
    tenant: Mapped[str | None]  # of the token that submitted it
    trace: Mapped[str | None]  # W3C traceparent of the request that submitted it
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now(), onupdate=func.now())
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]


class Share(Base):
    """A link to a job's result that anyone may open, until it expires or is revoked."""

    __tablename__ = "shares"
    __table_args__ = (Index(None, "job_id"), Index(None, "user_id"))
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    token: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class AuditEntry(Base):
    """Who opened what of a user, and how: one row a day, with the first and the last time.

    `actor` is the caller's id, `link` for a caller with only a signed link, or `operator:NAME`. There are no foreign
    keys: a row may be about what has been deleted since.
    """

    __tablename__ = "openings"
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    actor: Mapped[str] = mapped_column(primary_key=True)
    action: Mapped[str] = mapped_column(primary_key=True)
    object: Mapped[str] = mapped_column(primary_key=True)
    times: Mapped[int] = mapped_column(BigInteger, default=1)
    first_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_at: Mapped[datetime] = mapped_column(server_default=func.now())
