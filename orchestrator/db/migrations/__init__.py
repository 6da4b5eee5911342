"""Alembic's migrations, generated from tables.py; `upgrade` brings a database up to date.

From FIRST_RELEASE on, a migration only adds what the release before can ignore (expand). What is no longer used goes
one release after the last one that used it (contract). tests/integration/test_upgrades.py checks both.

alembic is imported only by the functions that run it: API processes compare revisions and do without.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from asyncpg.exceptions import ClientConfigurationError
from sqlalchemy import NullPool
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from orchestrator.db import server
from orchestrator.db.engine import engine_for
from orchestrator.db.migrations import lock
from orchestrator.db.migrations.lock import Say
from orchestrator.db.reasons import is_refusal, no_answer
from orchestrator.errors import DatabaseUnavailable, SetupError

if TYPE_CHECKING:
    from alembic.config import Config

T = TypeVar("T")
FIRST_RELEASE = "0006"
LOCK_TIMEOUT = "5s"
LOCK_NOT_AVAILABLE = "55P03"
TRIES, PAUSE_S = 3, 1.0
FOLDER = Path(__file__).parent


def config(database_url: str, lock_timeout: str = LOCK_TIMEOUT, say: Say = print) -> "Config":
    """Alembic's configuration without an ini file."""
    from alembic.config import Config

    options = Config()
    options.set_main_option("script_location", str(FOLDER))
    options.attributes |= {"database_url": database_url, "lock_timeout": lock_timeout, "say": say}
    return options


@cache
def revisions() -> list[str]:
    """Every revision that this code knows, newest first: a file `0001_first_tables.py` holds the revision 0001."""
    return sorted((path.name.partition("_")[0] for path in (FOLDER / "versions").glob("[0-9]*_*.py")), reverse=True)


def behind(revision: str | None) -> str:
    """What a database at this revision lacks, in words; "" for the newest, and for one that only newer code knows."""
    known = revisions()
    if revision == known[0] or (revision is not None and revision not in known):
        return ""
    return f"at {revision or 'nothing'}, {known[0]} is needed. Run: irisvue migrate"


def upgrade(database_url: str, to: str = "head", lock_timeout: str = LOCK_TIMEOUT, say: Say = print) -> None:
    """Run every migration that the database lacks, up to `to`. Blocks; not for an event loop.

    Args:
        say: hears for whom it waits, and that a newer release has been here.

    Raises:
        SetupError: the database does not answer, or another transaction held a table for longer than `lock_timeout`,
            TRIES times: every query on the table would have had to wait behind the migration.
    """
    done = _ask(database_url, server.revision) or ""
    if done > revisions()[0]:
        say(f"The database is at {done}, of a newer release; this one ends at {revisions()[0]}: nothing to do.")
    for revision in sorted(revisions()):
        if revision <= done or (to != "head" and revision > to):
            continue
        for tries in range(1, TRIES + 1):
            if _upgrade_by_one(config(database_url, lock_timeout, say), revision, last=tries == TRIES):
                break
            time.sleep(PAUSE_S)


def _ask(database_url: str, question: Callable[[AsyncConnection], Awaitable[T]]) -> T:
    """Ask on a connection of its own. Raises SetupError where the database does not answer."""

    async def ask() -> T:
        async with engine_for(database_url, "irisvue migrate", poolclass=NullPool).connect() as connection:
            return await question(connection)

    try:
        return asyncio.run(ask())
    except (OSError, DBAPIError, DatabaseUnavailable, ClientConfigurationError) as error:
        raise SetupError(no_answer(database_url, error)) from error


def _upgrade_by_one(options: "Config", revision: str, last: bool) -> bool:
    """Run one migration, unless the database has it. False where a table was held, and this was not the last try."""
    from alembic import command

    url, timeout = options.attributes["database_url"], options.attributes["lock_timeout"]
    try:
        command.upgrade(options, revision)
    except (OSError, DBAPIError, DatabaseUnavailable, ClientConfigurationError) as error:
        state = str(getattr(getattr(error, "orig", None), "sqlstate", None))
        if state == LOCK_NOT_AVAILABLE:
            words = f"Migration {revision} waited {timeout} for a table that another transaction holds"
            if not last:
                options.attributes["say"](f"{words}: trying again.")
                return False
            raise SetupError(
                f"{words}, and gave up so that nothing has to wait behind it. The migrations before it are done. "
                "Run it again; pg_stat_activity shows who holds the table." + _who_holds_tables(url)
            ) from error
        if isinstance(error, DBAPIError) and not is_refusal(error):
            raise
        raise SetupError(no_answer(url, error)) from error
    return True


def _who_holds_tables(database_url: str) -> str:
    who = _ask(database_url, lambda connection: connection.run_sync(lock.holders, lock.OF_TABLES))
    return f" Now: {who}." if who else ""
