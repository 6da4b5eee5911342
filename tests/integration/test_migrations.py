"""The migrations make exactly the tables that the code describes, and their files name their revisions."""

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from orchestrator.config import Settings
from orchestrator.db.migrations import FOLDER, revisions, upgrade
from orchestrator.db.tables import Base
from orchestrator.errors import SetupError


async def test_migrations_equal_tables(config: Settings) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Base.metadata))

    engine = create_async_engine(config.database_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


def test_the_files_name_the_revisions_that_alembic_knows() -> None:
    assert revisions() == [script.revision for script in ScriptDirectory(str(FOLDER)).walk_revisions()]


def test_the_api_process_loads_neither_alembic_nor_what_handles_pixels_and_networks() -> None:
    unwanted = {"alembic", "cv2", "matplotlib", "numpy", "onnxruntime", "scipy", "tritonclient"}
    program = f"import sys, orchestrator.api.server; print(*({unwanted} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


async def test_a_database_of_a_newer_release_is_left_as_it_is(config: Settings) -> None:
    url, own = make_url(config.database_url), "of_a_newer_release"
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {own}"))
    newer = create_async_engine(url.set(database=own))
    async with newer.begin() as connection:
        await connection.execute(text("CREATE TABLE alembic_version AS SELECT '9999' AS version_num"))
    said: list[str] = []
    await asyncio.to_thread(upgrade, newer.url.render_as_string(hide_password=False), say=said.append)
    assert len(said) == 1 and "at 9999, of a newer release" in said[0]
    await newer.dispose()
    async with engine.connect() as connection:
        await connection.execute(text(f"DROP DATABASE {own}"))
    await engine.dispose()


@pytest.mark.parametrize("changed", [{"port": 9}, {"password": "wrong"}, {"database": "never_was"}])
async def test_a_database_that_can_not_be_opened_is_named(config: Settings, changed: dict[str, Any]) -> None:
    url = make_url(config.database_url).set(**changed).render_as_string(hide_password=False)
    with pytest.raises(SetupError, match="IRISVUE_DATABASE_URL") as raised:
        await asyncio.to_thread(upgrade, url)
    assert "wrong" not in raised.value.detail
