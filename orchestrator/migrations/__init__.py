"""Alembic's migrations, made from tables.py; `upgrade` brings a database up to date."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory


def config(database_url: str) -> Config:
    """Alembic's configuration without an ini file."""
    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent))
    found.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
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


def upgrade(database_url: str) -> None:
    """Run every migration that the database lacks. Blocks; not for an event loop."""
    command.upgrade(config(database_url), "head")
