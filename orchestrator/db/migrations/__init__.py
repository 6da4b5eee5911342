"""Alembic's migrations, generated from tables.py; `upgrade` brings a database up to date.

From FIRST_RELEASE on, a migration only adds what the release before can ignore (expand). What is no longer used goes
one release after the last one that used it (contract). tests/integration/test_upgrades.py checks both.

alembic is imported only by the functions that run it: API processes compare revisions and do without.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import make_url
from sqlalchemy.exc import DBAPIError

from orchestrator.errors import SetupError

if TYPE_CHECKING:
    from alembic.config import Config

FIRST_RELEASE = "0006"
LOCK_TIMEOUT = "5s"
LOCK_NOT_AVAILABLE = "55P03"
# PostgreSQL's error classes: connection, wrong password, unknown database, too many connections, starting or stopping.
NO_CONNECTION = ("08", "28", "3D", "53300", "57P")
FOLDER = Path(__file__).parent


def config(database_url: str, lock_timeout: str = LOCK_TIMEOUT) -> "Config":
    """Alembic's configuration without an ini file."""
    from alembic.config import Config

    options = Config()
    options.set_main_option("script_location", str(FOLDER))
    options.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    options.set_main_option("lock_timeout", lock_timeout)
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


def upgrade(database_url: str, to: str = "head", lock_timeout: str = LOCK_TIMEOUT) -> None:
    """Run every migration that the database lacks, up to `to`. Blocks; not for an event loop.

    Raises:
        SetupError: the database does not answer, or another transaction held a table for longer than `lock_timeout`:
            every query on the table would have had to wait behind the migration.
    """
    from alembic import command

    try:
        command.upgrade(config(database_url, lock_timeout), to)
    except (OSError, DBAPIError) as error:
        state = str(getattr(getattr(error, "orig", None), "sqlstate", None))
        if isinstance(error, OSError) or state.startswith(NO_CONNECTION):
            raise SetupError(_no_answer(database_url, error)) from error
        if state == LOCK_NOT_AVAILABLE:
            raise SetupError(
                f"A migration waited {lock_timeout} for a table that another transaction holds, and gave up so that "
                "nothing has to wait behind it. The migrations before it are done. Run it again; pg_stat_activity "
                "shows who holds the table."
            ) from error
        raise


def _no_answer(database_url: str, error: Exception) -> str:
    url = make_url(database_url)
    cause = error.orig if isinstance(error, DBAPIError) else error
    return (
        f"The database does not answer at {url.host}:{url.port or 5432} ({cause}). "
        "Look at IRISVUE_DATABASE_URL, and whether it runs."
    )
