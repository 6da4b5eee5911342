"""Migrations while the old version runs: it reads and writes the new tables, and no query waits long.

From the first release on these tests hold for every migration, also for those that are still to be written.
"""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, MetaData, Table, event, insert, select, text, types
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from orchestrator.config import Settings
from orchestrator.db.migrations import FIRST_RELEASE, revisions, upgrade
from orchestrator.errors import SetupError

RELEASED = [revision for revision in reversed(revisions()) if revision >= FIRST_RELEASE]
Row = dict[str, Any]
# Values that the types alone do not tell.
VALUES: dict[str, Row] = {
    "jobs": {"status": "pending", "priority": "interactive"},
    "photos": {"ai_processing_status": "pending"},  # as its job is
    "exports": {"status": "pending"},
    "deliveries": {"status": "pending", "device_id": None},
}


@asynccontextmanager
async def database(config: Settings) -> AsyncIterator[tuple[str, AsyncEngine]]:
    """An empty database beside the stack's own."""
    name = f"upgrade_{uuid4().hex}"
    server = create_async_engine(config.database_url, isolation_level="AUTOCOMMIT")
    async with server.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    url = config.database_url.rpartition("/")[0] + f"/{name}"
    engine = create_async_engine(url)
    try:
        yield url, engine
    finally:
        await engine.dispose()
        async with server.connect() as connection:
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        await server.dispose()


def reflected(connection: Connection) -> MetaData:
    tables = MetaData()
    tables.reflect(connection)
    tables.remove(tables.tables["alembic_version"])
    return tables


def a_value(kind: types.TypeEngine[Any]) -> Any:
    match kind:
        case types.Uuid():
            return uuid4()
        case types.Boolean():
            return True
        case types.DateTime():
            return datetime.now(UTC)
        case types.Date():
            return date(2026, 1, 1)
        case types.Integer() | types.Float():
            return 1
        case types.JSON():
            return {}
        case _:
            return uuid4().hex


def fill(connection: Connection, tables: MetaData) -> dict[str, Row]:
    """A row in every table, with every column, as a process that knows only these tables would write it."""
    made: dict[str, Row] = {}
    for table in tables.sorted_tables:
        row: Row = {}
        for column in table.columns:
            if column.foreign_keys:
                parent = next(iter(column.foreign_keys)).column
                row[column.name] = made[parent.table.name][parent.name]
            elif not (column.primary_key and column.server_default):  # a counter
                row[column.name] = a_value(column.type)
        row |= {name: value for name, value in VALUES.get(table.name, {}).items() if name in table.columns}
        done = connection.execute(insert(table).values(row).returning(*table.columns))
        made[table.name] = dict(done.mappings().one())
    return made


def read(connection: Connection, table: Table) -> list[Row]:
    return [dict(row) for row in connection.execute(select(table)).mappings()]


def empty(connection: Connection, tables: MetaData) -> None:
    for table in reversed(tables.sorted_tables):
        connection.execute(table.delete())


@pytest.mark.parametrize("revision", RELEASED)
async def test_a_release_works_on_the_newest_tables(config: Settings, revision: str) -> None:
    async with database(config) as (url, engine):
        await asyncio.to_thread(upgrade, url, revision)
        async with engine.begin() as connection:
            tables = await connection.run_sync(reflected)
            before = await connection.run_sync(fill, tables)
        await engine.dispose()
        await asyncio.to_thread(upgrade, url)
        async with engine.begin() as connection:
            for table in tables.sorted_tables:
                assert before[table.name] in await connection.run_sync(read, table), (
                    "rows from before the migration are unchanged"
                )
            after = await connection.run_sync(fill, tables)
            for table in tables.sorted_tables:
                assert after[table.name] in await connection.run_sync(read, table), "the old version can still write"
            await connection.run_sync(empty, tables)


@contextmanager
def statements_of_the_engine(lines: list[str]) -> Iterator[None]:
    def record(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        lines.append(statement)

    event.listen(Engine, "before_cursor_execute", record)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", record)


def linted(statements: list[str], tmp_path: Path) -> str:
    """The warnings of squawk, which knows the statements that lock tables or break running code."""
    concurrent = [statement for statement in statements if "CONCURRENTLY" in statement]  # outside of transactions
    inside = _linted([one for one in statements if one not in concurrent], tmp_path, "--assume-in-transaction")
    return inside + (_linted(concurrent, tmp_path) if concurrent else "")


def _linted(statements: list[str], tmp_path: Path, *options: str) -> str:
    path = tmp_path / "migration.sql"
    path.write_text("SET lock_timeout = '5s';\n" + ";\n".join(statements) + ";\n")
    # The first four are matters of style; migrations run in a transaction and need not be idempotent. Waiting for a
    # lock is what must be short: an index may take an hour to build.
    excluded = "prefer-text-field,prefer-bigint-over-int,prefer-robust-stmts,prefer-identity,require-statement-timeout"
    argv = [str(Path(sys.executable).parent / "squawk"), "--pg-version=15", *options]
    done = subprocess.run([*argv, f"--exclude={excluded}", str(path)], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode else ""


async def test_no_migration_since_the_first_release_locks_or_breaks_anything(config: Settings, tmp_path: Path) -> None:
    async with database(config) as (url, _):
        await asyncio.to_thread(upgrade, url, FIRST_RELEASE)
        lines: list[str] = []
        with statements_of_the_engine(lines):
            await asyncio.to_thread(upgrade, url)
    changes = [line for line in lines if line.lstrip().startswith(("CREATE", "ALTER", "DROP", "UPDATE", "DELETE"))]
    assert changes or FIRST_RELEASE == revisions()[0]
    assert linted(changes, tmp_path) == ""


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("ALTER TABLE jobs DROP COLUMN status", "ban-drop-column"),
        ("ALTER TABLE jobs RENAME COLUMN status TO state", "renaming-column"),
        ("ALTER TABLE jobs ALTER COLUMN status SET NOT NULL", "adding-not-nullable-field"),
        ("ALTER TABLE jobs ADD COLUMN shade integer NOT NULL", "adding-required-field"),
        ("CREATE INDEX ix ON jobs (status)", "require-concurrent-index-creation"),
        ("DROP TABLE photos", "ban-drop-table"),
    ],
)
def test_the_linter_would_warn(statement: str, rule: str, tmp_path: Path) -> None:
    assert rule in linted([statement], tmp_path)


async def test_two_migrators_at_once(config: Settings) -> None:
    async with database(config) as (url, engine):
        argv = [sys.executable, "-c", f"from orchestrator.db.migrations import upgrade; upgrade({url!r})"]
        both = [await asyncio.create_subprocess_exec(*argv) for _ in range(2)]
        assert [await process.wait() for process in both] == [0, 0]
        async with engine.connect() as connection:
            assert await connection.scalar(text("SELECT version_num FROM alembic_version")) == revisions()[0]


async def test_a_migration_gives_up_where_others_would_wait_behind_it(config: Settings) -> None:
    async with database(config) as (url, engine):
        await asyncio.to_thread(upgrade, url, "0003")
        async with engine.begin() as busy:
            await busy.execute(text("SELECT * FROM jobs"))  # a long report
            with pytest.raises(SetupError, match="pg_stat_activity shows who"):
                await asyncio.to_thread(upgrade, url, lock_timeout="200ms")  # 0004 alters jobs
        await asyncio.to_thread(upgrade, url)
