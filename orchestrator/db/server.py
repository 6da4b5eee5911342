"""The database itself: its migrations and its clock."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession


async def revision(session: AsyncSession | AsyncConnection) -> str | None:
    """The migration that the database is at; None before the first."""
    if await session.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return None
    version: str | None = await session.scalar(text("SELECT version_num FROM alembic_version"))
    return version


async def takes_writes(session: AsyncSession) -> bool:
    """Whether rows can be written: not on a standby, nor where the server is set to read only."""
    return str(await session.scalar(text("SHOW transaction_read_only"))) == "off"


async def clock(session: AsyncSession) -> float:
    """The database's time in Unix seconds."""
    return float(await session.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0)
