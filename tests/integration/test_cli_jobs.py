"""Commands whose output other programs read, and jobs followed live."""

import asyncio
import json
from pathlib import Path
from uuid import uuid4

from irisvue import AsyncClient
from orchestrator.auth.tokens import make_token
from orchestrator.embedded.stack import Stack
from tests.commands import run


def test_doctor_for_programs() -> None:
    checks = json.loads(run("doctor", "--json", "--port", "0").stdout)
    assert {"Python", "glibc"} <= {check["name"] for check in checks}
    assert all({"good", "found", "mend"} <= set(check) for check in checks)


def test_process_and_jobs_for_programs(stack: Stack, tmp_path: Path, eye_jpeg: bytes) -> None:
    server = "--server", stack.url, "--token", make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])
    photos = [tmp_path / "a" / "eye.jpg", tmp_path / "b" / "eye.jpg", tmp_path / "text.jpg"]
    for photo in photos:
        photo.parent.mkdir(exist_ok=True)
        photo.write_bytes(eye_jpeg if photo.name == "eye.jpg" else b"not a photo")
    done = run("process", *photos, "-o", tmp_path / "out", "--json", *server)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and [row["error"] is None for row in rows] == [True, True, False]
    assert "Send a JPEG" in rows[2]["error"]
    written = [Path(row["files"]["result.jpg"]) for row in rows[:2]]
    assert all(path.is_file() for path in written) and len(set(written)) == 2, "two photos of one name"

    listed = [json.loads(line) for line in run("jobs", "--once", "--json", *server).stdout.splitlines()]
    assert {job["job_id"] for job in listed} == {row["job"]["job_id"] for row in rows[:2]}
    table = run("jobs", "--once", *server, COLUMNS="80").stdout
    assert all(job["job_id"] in table for job in listed), "whole ids, to be copied"
    assert "completed" in table and "px in" in table
    job_id = listed[0]["job_id"]
    assert job_id in run("jobs", job_id, *server).stdout
    assert "Nothing" in run("jobs", "--status", "failed", *server).stdout
    missing = run("jobs", str(uuid4()), *server)
    assert missing.returncode == 1 and "nothing here under this id" in missing.stderr


async def test_jobs_are_followed_live_and_cancelled(stack: Stack, eye_jpeg: bytes) -> None:
    token = make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])
    server = "--server", stack.url, "--token", token
    async with AsyncClient(stack.url, token) as client:
        photo = await client.upload(eye_jpeg)
        ids = {job.job_id for job in await client.submit_batch([photo.id] * 3)}
    followed = await asyncio.to_thread(run, "jobs", "--json", *server)
    rows = [json.loads(line) for line in followed.stdout.splitlines()]
    assert {row["job_id"] for row in rows if row["status"] == "completed"} == ids
    async with AsyncClient(stack.url, token) as client:
        ids = {job.job_id for job in await client.submit_batch([photo.id] * 10)}
    live = await asyncio.to_thread(run, "jobs", "--cancel", "--status", "pending", *server)
    assert live.returncode == 0 and "cancelled" in live.stdout


def test_server_without_token(tmp_path: Path) -> None:
    photo = tmp_path / "eye.jpg"
    photo.write_bytes(b"x")
    done = run("process", photo, "--server", "http://127.0.0.1:9")
    assert done.returncode == 1 and "--token" in done.stderr
    done = run("process", photo, "--server", "http://127.0.0.1:9", "--token", "x")
    assert done.returncode == 1 and "does not answer" in done.stderr
