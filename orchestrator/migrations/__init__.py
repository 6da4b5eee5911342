"""Alembic's migrations, made from tables.py; `upgrade` brings a database up to date."""

from pathlib import Path

from alembic import command
from alembic.config import Config


def config(database_url: str) -> Config:
    """Alembic's configuration without an ini file."""
    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent))
    found.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    return found


def upgrade(database_url: str) -> None:
    """Run every migration that the database lacks. Blocks; not for an event loop."""
    command.upgrade(config(database_url), "head")
