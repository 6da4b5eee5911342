"""The audit log: every way to a picture leaves an entry, and an unavailable database holds no one up."""

import json
from functools import partial
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text, update
from structlog.testing import capture_logs

from irisvue import AsyncClient, IrisvueError
from orchestrator import db
from orchestrator.auth.tokens import make_token
from orchestrator.db.tables import AuditEntry
from orchestrator.embedded.stack import Stack
from orchestrator.privacy import audit_log
from orchestrator.services import Services
from tests.commands import run
from tests.waiting import until


def token_of(stack: Stack, user: UUID) -> str:
    return make_token(user, stack.env["IRISVUE_JWT_SECRET"])


async def entries(services: Services, user: UUID) -> dict[tuple[str, str, str], int]:
    async with services.db() as session:
        return {(row.actor, row.action, row.object): row.times for row in await db.audit_log.accesses_of(session, user)}


async def test_every_way_to_a_picture_leaves_an_entry(stack: Stack, services: Services, eye_jpeg: bytes) -> None:
    user, stranger = uuid4(), uuid4()
    async with AsyncClient(stack.url, token_of(stack, user)) as client:
        job = await client.process(eye_jpeg)
        for _ in range(2):
            await client.result(await client.job(job.job_id))
        assert [photo.id async for photo in client.photos()] == [job.photo_id]
        assert [row.job_id async for row in client.jobs()] == [job.job_id]
        headers = {"Authorization": f"Bearer {token_of(stack, user)}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, trust_env=False) as http:
        assert (await http.get(f"/api/v1/photos/{job.photo_id}")).status_code == 200
    async with AsyncClient(stack.url, token_of(stack, stranger)) as other:
        with pytest.raises(IrisvueError):
            await other.job(job.job_id)
    opened, me = await entries(services, user), str(user)
    assert {(me, "photo", job.photo_id), (me, "photos", "*"), (me, "jobs", "*")} <= set(opened)
    assert opened[me, "job", job.job_id] >= 2
    assert any(action == "stream" for _, action, _ in opened)
    assert opened["link", "file", f"processed/{job.job_id}.jpg"] == 2
    assert await entries(services, stranger) == {}, "a caller who was refused has opened nothing"

    exported = run("privacy", "export", "--user", me, "-o", stack.folder / "out.zip", "--data", stack.folder)
    assert exported.returncode == 0, exported.stderr
    (stack.folder / "out.zip").unlink()
    printed = run("privacy", "trail", "--user", me, "--data", stack.folder, "--json")
    rows = json.loads(printed.stdout)
    assert rows[0]["actor"].startswith("operator:") and rows[0]["action"] == "export"
    table = run("privacy", "trail", "--user", me, "--data", stack.folder)
    assert "the user" in table.stdout and "operator:" in table.stdout


async def test_an_entry_that_can_not_be_written_is_a_log_line_and_holds_no_one_up(services: Services) -> None:
    user = uuid4()
    async with services.db.begin() as session:
        await session.execute(text("LOCK TABLE openings IN EXCLUSIVE MODE"))
        with capture_logs() as logs:
            await audit_log.record(services, user, "file", "originals/x", by=audit_log.BY_LINK, note_s=0.3)
    assert (
        logs[0]["event"] == "audit entry not written" and logs[0]["user_id"] == str(user) and logs[0]["actor"] == "link"
    )
    await until(partial(entries, services, user))


async def test_old_entries_are_deleted(services: Services) -> None:
    user = uuid4()
    await audit_log.record(services, user, "job", uuid4())
    await audit_log.record(services, user, "jobs")
    async with services.db.begin() as session:
        await session.execute(
            update(AuditEntry)
            .where(AuditEntry.user_id == user, AuditEntry.action == "job")
            .values(last_at=text("now() - interval '400 days'"))
        )
        await db.audit_log.delete_old_entries(session, services.settings.trail_days)
    assert set(await entries(services, user)) == {(str(user), "jobs", "*")}
