"""Sessions, and which errors mean that the database can't be reached.

Only connection faults become DatabaseUnavailable. A mistake in SQL or a broken constraint stays what it is: it would
fail again tomorrow.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import Dialect, ExceptionContext, event
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from orchestrator.errors import DatabaseUnavailable

Session = AsyncSession
Sessions = async_sessionmaker[AsyncSession]

UNAVAILABLE = (DatabaseUnavailable, PoolTimeout)
"""What is raised while the database can't be reached, or all its connections are taken."""

# PostgreSQL's error classes 08 (connection) and 57P (shutdown, crash, starting up), and "too many connections".
OUTAGE_STATES = ("08", "57P", "53300")


def is_outage(error: BaseException | None) -> bool:
    """Whether an error of asyncpg, or one that SQLAlchemy wrapped, says that the database can't be reached."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate).startswith(OUTAGE_STATES)
    if isinstance(error, OSError | asyncpg.InterfaceError):
        return isinstance(error, OSError) or "connection" in str(error)
    return is_outage(error.__cause__) if error is not None and error.__cause__ is not error else False


def translate_outages(engine: AsyncEngine) -> None:
    """Make this engine raise DatabaseUnavailable for connection faults, when it connects and later."""

    @event.listens_for(engine.sync_engine, "do_connect")
    def connect(dialect: Dialect, _: object, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        try:
            return dialect.connect(*args, **options)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            if is_outage(error):
                raise DatabaseUnavailable from error
            raise

    @event.listens_for(engine.sync_engine, "handle_error")
    def translate(context: ExceptionContext) -> None:
        if not context.is_pre_ping and (context.is_disconnect or is_outage(context.original_exception)):
            context.chained_exception = DatabaseUnavailable()


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Sessions]:
    """A pool of connections; nothing is connected before the first session asks for it."""
    engine = create_async_engine(url, pool_size=10, max_overflow=10, pool_pre_ping=True)
    translate_outages(engine)
    try:
        yield async_sessionmaker(engine, expire_on_commit=False)
    finally:
        await engine.dispose()
