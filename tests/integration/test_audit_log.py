"""Who opened what: every way to a picture leaves a line, and a database that is away holds nobody up."""

import json
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
from tests.integration.test_cli import run
from tests.waiting import until


def token_of(stack: Stack, user: UUID) -> str:
    return make_token(user, stack.env["IRISVUE_JWT_SECRET"])


async def lines(services: Services, user: UUID) -> dict[tuple[str, str, str], int]:
    async with services.db() as session:
        return {(row.actor, row.action, row.object): row.times for row in await db.audit_log.accesses_of(session, user)}


async def test_every_way_to_a_picture_is_noted(stack: Stack, services: Services, eye_jpeg: bytes) -> None:
    user, stranger = uuid4(), uuid4()
    async with AsyncClient(stack.url, token_of(stack, user)) as client:
        job = await client.process(eye_jpeg)
        for _ in range(2):
            await client.result(await client.job(job.job_id))
        assert [photo.id async for photo in client.photos()] == [job.photo_id]
        assert [found.job_id async for found in client.jobs()] == [job.job_id]
        headers = client._auth()
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, trust_env=False) as http:
        assert (await http.get(f"/api/v1/photos/{job.photo_id}")).status_code == 200
    async with AsyncClient(stack.url, token_of(stack, stranger)) as other:
        with pytest.raises(IrisvueError):
            await other.job(job.job_id)
    found, me = await lines(services, user), str(user)
    assert {(me, "photo", job.photo_id), (me, "photos", "*"), (me, "jobs", "*")} <= set(found)
    assert found[me, "job", job.job_id] >= 2
    assert any(action == "stream" for _, action, _ in found)
    assert found["link", "file", f"processed/{job.job_id}.jpg"] == 2
    assert await lines(services, stranger) == {}, "who was sent away has opened nothing"

    done = run("privacy", "export", "--user", me, "-o", stack.folder / "out.zip", "--data", stack.folder)
    assert done.returncode == 0, done.stderr
    (stack.folder / "out.zip").unlink()
    told = run("privacy", "trail", "--user", me, "--data", stack.folder, "--json")
    rows = json.loads(told.stdout)
    assert rows[0]["actor"].startswith("operator:") and rows[0]["action"] == "export"
    table = run("privacy", "trail", "--user", me, "--data", stack.folder)
    assert "the user" in table.stdout and "operator:" in table.stdout


async def test_a_trail_that_cant_be_written_is_a_log_line_and_holds_nobody_up(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = uuid4()
    monkeypatch.setattr(audit_log, "NOTE_S", 0.3)
    async with services.db.begin() as session:
        await session.execute(text("LOCK TABLE openings IN EXCLUSIVE MODE"))
        with capture_logs() as logs:
            await audit_log.record(services, user, "file", "originals/x", by=audit_log.BY_LINK)
    assert logs[0]["event"] == "opened" and logs[0]["user_id"] == str(user) and logs[0]["actor"] == "link"
    await until(lambda: noted(services, user))


async def noted(services: Services, user: UUID) -> bool:
    return bool(await lines(services, user))


async def test_old_lines_go(services: Services) -> None:
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
    assert set(await lines(services, user)) == {(str(user), "jobs", "*")}
