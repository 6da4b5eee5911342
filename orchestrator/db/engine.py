"""Database sessions, and the errors that mean that the database can't be reached.

Only connection faults become DatabaseUnavailable. A mistake in SQL, a broken constraint, a wrong password or an unknown
database stays what it is: another try would fail in the same way.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import Dialect, ExceptionContext, NullPool, event
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from orchestrator.addresses import postgresql
from orchestrator.db.reasons import is_refusal, no_answer
from orchestrator.errors import DatabaseUnavailable, SetupError

Session = AsyncSession
Sessions = async_sessionmaker[AsyncSession]

UNAVAILABLE = (DatabaseUnavailable, PoolTimeout)
"""What is raised while the database can't be reached, or all its connections are taken."""

# PostgreSQL's error classes 08 (connection), 57P (shutting down, crashed, starting up) and 53 (disk, memory or
# connections used up), and "read-only": after a failover the connection may lead to a standby.
OUTAGE_STATES = ("08", "57P", "53", "25006")
UNNAMED = {"prepared_statement_name_func": lambda: "", "statement_cache_size": 0, "prepared_statement_cache_size": 0}


def is_outage(error: BaseException | None) -> bool:
    """Whether an error of asyncpg, or of SQLAlchemy's adapter around it, says that the database can't be reached."""
    if isinstance(error, AsyncAdapt_asyncpg_dbapi.Error):
        return is_outage(error.__cause__)
    if isinstance(error, asyncpg.PostgresError):
        return str(error.sqlstate).startswith(OUTAGE_STATES)
    return isinstance(error, OSError | asyncpg.TargetServerAttributeNotMatched)


def engine_for(url: str, application_name: str = "irisvue", **options: Any) -> AsyncEngine:
    """An engine for this address that raises DatabaseUnavailable for connection faults. Raises AddressError.

    Behind a pooler that lends a connection for one transaction, such as PgBouncer, no statement has a name: the next
    transaction may meet a connection that does not know it.
    """
    arguments = postgresql.arguments(url, application_name)
    engine = create_async_engine("postgresql+asyncpg://", connect_args=arguments, **options)
    event.listen(engine.sync_engine, "do_connect", _Connect())
    event.listen(engine.sync_engine, "handle_error", _translate, retval=True)
    return engine


class _Connect:
    """Opens the connections of one engine; the first one finds out whether a pooler stands in between."""

    def __init__(self) -> None:
        self.pooled: bool | None = None

    def __call__(self, dialect: Dialect, _: object, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Connect. SQLAlchemy shows `handle_error` only the driver's own errors, and a refused connection is none."""
        try:
            if self.pooled is None:
                connection = dialect.connect(*args, **options, **UNNAMED)
                self.pooled = _is_pooled(dialect, connection)
                if self.pooled:
                    return connection
                connection.close()
            return dialect.connect(*args, **options, **(UNNAMED if self.pooled else {}))
        except Exception as error:
            if is_outage(error):
                raise DatabaseUnavailable from error
            raise


def _is_pooled(dialect: Dialect, connection: Any) -> bool:
    """Whether the process that answers is another one than the server named when it was connected to."""
    cursor = connection.cursor()
    cursor.execute("SELECT pg_backend_pid()")
    (backend,) = cursor.fetchone()
    cursor.close()
    connection.rollback()
    return bool(backend != dialect.get_driver_connection(connection).get_server_pid())


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
    """A pool of connections. The first session opens the first one. Raises AddressError."""
    engine = engine_for(url, pool_size=10, max_overflow=10, pool_pre_ping=True)
    try:
        yield async_sessionmaker(engine, expire_on_commit=False)
    finally:
        await engine.dispose()


@asynccontextmanager
async def autocommit(sessions: Sessions) -> AsyncIterator[Session]:
    """A session whose every statement is a transaction of its own: no round trips to begin and to commit."""
    async with sessions() as session:
        await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        yield session


async def refuses_nothing(url: str) -> None:
    """Connect once. Raises SetupError where the database refuses the address, not where it does not answer."""
    engine = engine_for(url, poolclass=NullPool)
    try:
        async with engine.connect():
            pass
    except Exception as error:
        if is_refusal(error):
            raise SetupError(no_answer(url, error)) from None
