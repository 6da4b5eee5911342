"""Database sessions, and the errors that mean that the database can't be reached.

Only connection faults become DatabaseUnavailable. A mistake in SQL, a broken constraint, a wrong password or an unknown
database stays what it is: another try would fail in the same way.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import Dialect, ExceptionContext, event
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from orchestrator.errors import DatabaseUnavailable

Session = AsyncSession
Sessions = async_sessionmaker[AsyncSession]

UNAVAILABLE = (DatabaseUnavailable, PoolTimeout)
"""What is raised while the database can't be reached, or all its connections are taken."""

# PostgreSQL's error classes 08 (connection) and 57P (shutting down, crashed, starting up), and "too many connections".
OUTAGE_STATES = ("08", "57P", "53300")


def is_outage(error: BaseException | None) -> bool:
    """Whether an error of asyncpg, or of SQLAlchemy's adapter around it, says that the database can't be reached."""
    if isinstance(error, AsyncAdapt_asyncpg_dbapi.Error):
        return is_outage(error.__cause__)
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate).startswith(OUTAGE_STATES)
    return isinstance(error, OSError | asyncpg.TargetServerAttributeNotMatched)


def translate_outages(engine: AsyncEngine) -> None:
    """Make this engine raise DatabaseUnavailable for connection faults, when it connects and later."""
    event.listen(engine.sync_engine, "do_connect", _connect)
    event.listen(engine.sync_engine, "handle_error", _translate, retval=True)


def _connect(dialect: Dialect, _: object, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Connect. SQLAlchemy shows `handle_error` only the driver's own errors, and a refused connection is an OSError."""
    try:
        return dialect.connect(*args, **options)
    except Exception as error:
        if is_outage(error):
            raise DatabaseUnavailable from error
        raise


def _translate(context: ExceptionContext) -> DatabaseUnavailable | None:
    if not isinstance(context.original_exception, Exception):
        return None  # a cancelled task gives up its connection too, but must stay cancelled
    if is_outage(context.original_exception):
        context.is_disconnect = True  # the pool drops the connection, and those that were idle with it
    if context.is_pre_ping:
        return None  # the pool connects anew by itself
    return DatabaseUnavailable() if context.is_disconnect else None


@asynccontextmanager
async def open_database(url: str) -> AsyncIterator[Sessions]:
    """A pool of connections. The first session opens the first one."""
    engine = create_async_engine(url, pool_size=10, max_overflow=10, pool_pre_ping=True)
    translate_outages(engine)
    try:
        yield async_sessionmaker(engine, expire_on_commit=False)
    finally:
        await engine.dispose()
