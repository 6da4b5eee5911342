"""The two tables, and a pool of connections."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ForeignKeyConstraint, Index, func
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from benchmarks.baseline.settings import settings


class Base(DeclarativeBase):
    """All tables."""


class Photo(Base):
    """A photo that has been uploaded."""

    __tablename__ = "photos"
    user_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Job(Base):
    """A job. Its photo must be its user's."""

    __tablename__ = "jobs"
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "photo_id"], ["photos.user_id", "photos.id"]),
        Index("jobs_of_user", "user_id", "created_at"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID]
    photo_id: Mapped[UUID]
    status: Mapped[str] = mapped_column(default="pending")
    error: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


def open_engine(connections: int) -> AsyncEngine:
    """A pool of so many connections."""
    return create_async_engine(settings().database_url, pool_size=connections, max_overflow=connections)
