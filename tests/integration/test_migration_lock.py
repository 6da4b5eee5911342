"""One migrator at a time: whoever waits says for whom, and a lock does not outlive its holder."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from orchestrator.config import Settings
from orchestrator.db.engine import engine_for
from orchestrator.db.migrations import lock, upgrade
from orchestrator.errors import SetupError
from tests.integration.test_upgrades import database as empty_database
from tests.waiting import until


@pytest.fixture
async def engine(config: Settings) -> AsyncIterator[AsyncEngine]:
    async with yesterdays(config.database_url) as made:
        yield made


@asynccontextmanager
async def yesterdays(url: str) -> AsyncIterator[AsyncEngine]:
    made = engine_for(url, "irisvue of yesterday")
    yield made
    await made.dispose()


async def end(engine: AsyncEngine, pid: int) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})


@asynccontextmanager
async def held_for_a_session(engine: AsyncEngine) -> AsyncIterator[tuple[AsyncConnection, int]]:
    """A migrator of an earlier release: it holds the lock for as long as its session lasts."""
    async with engine.connect() as connection:
        await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": lock.ONE_AT_A_TIME})
        pid = await connection.scalar(text("SELECT pg_backend_pid()"))
        await connection.commit()
        try:
            yield connection, int(pid or 0)
        finally:
            await connection.invalidate()


async def test_waiting_is_said_with_who_holds_the_lock(config: Settings) -> None:
    said: list[str] = []

    async def told() -> bool:
        return bool(said)

    async with empty_database(config) as (url, _), yesterdays(url) as engine, held_for_a_session(engine) as (_, pid):
        waiting = asyncio.create_task(asyncio.to_thread(upgrade, url, say=said.append))
        await until(told)
        assert not waiting.done()
        await end(engine, pid)
        await waiting
    assert f"waits for it: PID {pid} (irisvue of yesterday, user postgres, from 127.0.0.1, idle, since 20" in said[0]
    assert "SELECT pg_terminate_backend(PID)" in said[0]


async def test_a_lock_that_outlives_its_holder_is_released(engine: AsyncEngine) -> None:
    said: list[str] = []
    async with held_for_a_session(engine) as (_, pid), engine.connect() as other:
        await other.run_sync(lock.take, said.append, stale_s=0.1)
    assert f"PID {pid} held the lock of migrations and did nothing for 0.1 s: it has been ended." in said


async def test_a_migrator_that_works_is_left_alone_and_waited_for(engine: AsyncEngine) -> None:
    async with engine.connect() as first, engine.connect() as second:
        await first.run_sync(lock.take, print)
        busy = asyncio.create_task(first.execute(text("SELECT pg_sleep(2)")))
        with pytest.raises(SetupError, match=r"not ended within 0\.5 s: PID \d+ \(irisvue of yesterday.*active"):
            await second.run_sync(lock.take, print, give_up_s=0.5, stale_s=0.1)
        await second.rollback()
        await busy
        await first.rollback()
        await second.run_sync(lock.take, print)


async def test_postgresql_itself_ends_a_migrator_that_fell_silent(engine: AsyncEngine) -> None:
    def limits(connection: Connection) -> list[str]:
        lock.take(connection, print)
        return [str(connection.scalar(text(f"SHOW {name}"))) for name in lock.LOST_AFTER]

    async with engine.connect() as connection:
        assert await connection.run_sync(limits) == ["1min", "10", "5", "3"]
        await connection.rollback()
        assert await connection.scalar(text("SHOW idle_in_transaction_session_timeout")) == "0", "for nobody else"
