"""The database itself: its migrations and its clock."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession


async def revision(session: AsyncSession) -> str | None:
    """The migration that the database is at; None before the first."""
    if await session.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    version: str | None = await session.scalar(text("SELECT version_num FROM alembic_version"))
    return version


async def clock(session: AsyncSession) -> float:
    """The database's time in Unix seconds."""
    return float(await session.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0)
