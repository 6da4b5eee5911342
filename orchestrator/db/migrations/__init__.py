"""Alembic's migrations, made from tables.py; `upgrade` brings a database up to date.

From FIRST_RELEASE on a migration only adds what the version before can ignore (expand). What nobody uses any more goes
in the release after the one that stopped using it (contract). tests/integration/test_upgrades.py holds them to it.
"""

from functools import cache
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from orchestrator.errors import SetupError

FIRST_RELEASE = "0006"
LOCK_TIMEOUT = "5s"


def config(database_url: str, lock_timeout: str = LOCK_TIMEOUT) -> Config:
    """Alembic's configuration without an ini file."""
    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent))
    found.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    found.set_main_option("lock_timeout", lock_timeout)
    return found


@cache
def revisions() -> list[str]:
    """Every revision that this code knows, newest first."""
    return [script.revision for script in ScriptDirectory(str(Path(__file__).parent)).walk_revisions()]


def behind(revision: str | None) -> str:
    """What a database at this revision lacks, in words; "" for the newest, and for one that newer code has made."""
    known = revisions()
    if revision == known[0] or (revision is not None and revision not in known):
        return ""
    return f"at {revision or 'nothing'}, {known[0]} is needed. Run: irisvue migrate"


def upgrade(database_url: str, to: str = "head", lock_timeout: str = LOCK_TIMEOUT) -> None:
    """Run every migration that the database lacks, up to one of them. Blocks; not for an event loop.

    Raises:
        SetupError: the database does not answer; or somebody held a table for so long that
            everyone else would have had to wait behind the migration.
    """
    try:
        command.upgrade(config(database_url, lock_timeout), to)
    except (OSError, asyncpg.PostgresError) as error:
        there = make_url(database_url)
        raise SetupError(
            f"The database does not answer at {there.host}:{there.port or 5432} ({error}). "
            "Look at IRISVUE_DATABASE_URL, and whether it runs."
        ) from error
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != "55P03":  # lock_not_available
            raise
        raise SetupError(
            f"A migration waited {lock_timeout} for a table that a long transaction holds, and gave up so that nobody "
            "waits behind it. The migrations before it are done. Run it again; pg_stat_activity shows who holds it."
        ) from error
