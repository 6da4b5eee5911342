"""The whole service behind PgBouncer in transaction mode, where each transaction may meet another connection."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text

from orchestrator.config import Settings
from orchestrator.db.engine import engine_for
from orchestrator.embedded.ports import HOST, free_port
from orchestrator.embedded.ready import http_ready, worker_ready
from orchestrator.embedded.stack import COMMAND, Stack
from orchestrator.embedded.supervisor import Processes, ProcessSpec, start_process
from tests.pgbouncer import SERVER_CONNECTIONS, needs_pgbouncer, pgbouncer
from tests.waiting import ended, submitted

pytestmark = [needs_pgbouncer, pytest.mark.timeout(200)]
CALLS = 36


@pytest.fixture
async def pooled(config: Settings) -> AsyncIterator[str]:
    """The address of a new, empty database, through PgBouncer."""
    name = f"pooled_{uuid4().hex}"
    server = engine_for(config.database_url, isolation_level="AUTOCOMMIT")
    async with server.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    async with pgbouncer(config) as address:
        yield f"{address}/{name}"
    async with server.connect() as connection:
        await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    await server.dispose()


async def migrate(env: dict[str, str]) -> tuple[int, str]:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*COMMAND, "migrate", env=os.environ | env, stderr=pipe)
    _, errors = await process.communicate()
    return process.returncode or 0, errors.decode()


@asynccontextmanager
async def service(env: dict[str, str], folder: Path) -> AsyncIterator[tuple[str, Path]]:
    """An API process and a worker with these settings: the API's address, and the folder with their logs."""
    processes: Processes = {}
    url = f"http://{HOST}:{(port := free_port())}"
    api = ProcessSpec("api", [*COMMAND, "api", "--port", str(port)], folder / "api.log", env, port)
    worker = ProcessSpec("worker", [*COMMAND, "worker"], folder / "worker.log", env)
    try:
        await start_process(api, partial(http_ready, url), processes)
        await start_process(worker, partial(worker_ready, worker.log), processes)
        yield url, folder
    finally:
        for process in processes.values():
            await process.stop()


async def test_every_call_and_every_job_behind_pgbouncer(
    stack: Stack, pooled: str, tmp_path: Path, eye_jpeg: bytes
) -> None:
    env = stack.env | {
        "IRISVUE_DATABASE_URL": pooled,
        "IRISVUE_REDIS_URL": stack.env["IRISVUE_REDIS_URL"].removesuffix("0") + "1",  # a queue of its own
        "IRISVUE_STORAGE_URL": f"file://{tmp_path / 'objects'}",
        "IRISVUE_PUBLIC_URL": "http://127.0.0.1",
        "IRISVUE_WAITING_S": "60",
        "IRISVUE_DELIVER_EVERY_S": "0.2",
    }
    both = await asyncio.gather(migrate(env), migrate(env))
    assert [status for status, _ in both] == [0, 0], both
    headers = {"Authorization": f"Bearer {stack.token}"}
    async with (
        service(env, tmp_path) as (url, logs),
        httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False) as api,
    ):
        paths = ["/api/v1/processing/jobs", "/api/v1/photos", "/api/v1/webhooks", "/health/ready"]
        jobs = await asyncio.gather(*[submitted(api, eye_jpeg) for _ in range(4)])
        answers = await asyncio.gather(*[api.get(paths[number % len(paths)]) for number in range(CALLS)])
        assert [answer.status_code for answer in answers] == [200] * CALLS
        assert [(await ended(api, job))["status"] for job in jobs] == ["completed"] * 4
    complaints = [line for log in logs.glob("*.log") for line in log.read_text().splitlines() if '"error"' in line]
    assert complaints == []


async def test_statements_have_names_only_without_a_pooler(config: Settings, pooled: str) -> None:
    for url, few in ((pooled, True), (config.database_url, False)):
        engine = engine_for(url, pool_size=2 * SERVER_CONNECTIONS)
        async with engine.connect() as first, engine.connect() as second:
            for connection in (first, second, first, second):
                assert await connection.scalar(text("SELECT :n + 1"), {"n": 1}) == 2
                await connection.commit()
            names = await first.scalar(text("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"))
        await engine.dispose()
        assert (names == 0) == few
