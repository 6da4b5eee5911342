"""Webhooks and push, sent by the live workers to servers that speak the other side."""

import inspect
import json
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import func, select, update
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from orchestrator import db
from orchestrator.auth.tokens import WEBHOOKS_ALL, make_token
from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Delivery, DeliveryStatus, Job
from orchestrator.embedded.stack import Stack
from orchestrator.errors import NoIrisFound
from orchestrator.jobs import lease
from orchestrator.notifications import outbox
from orchestrator.notifications.dispatcher import LEASE_S, PAUSES_S
from orchestrator.services import Services
from tests.receivers import Firebase, Receiver, receiver
from tests.waiting import until


async def wait_until(found: Callable[[], Any], seconds: float) -> Any:
    """The first truthy answer of `found`, which may be a coroutine function."""

    async def ask() -> Any:
        answer = found()
        return await answer if inspect.isawaitable(answer) else answer

    return await until(ask, seconds)


@pytest.fixture
def user() -> UUID:
    return uuid4()


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as found:
        yield found


@pytest.fixture
async def me(stack: Stack, user: UUID) -> AsyncIterator[httpx.AsyncClient]:
    async with client_for(stack, user) as client:
        yield client


def client_for(stack: Stack, user: UUID, scope: str = "") -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {make_token(user, stack.env['IRISVUE_JWT_SECRET'], scope=scope)}"}
    return httpx.AsyncClient(base_url=f"{stack.url}/api/v1", headers=headers, timeout=30, trust_env=False)


async def webhook(client: httpx.AsyncClient, url: str, **more: Any) -> dict[str, Any]:
    answer = await client.post("/webhooks", json={"url": url, **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def run_job(client: httpx.AsyncClient, jpeg: bytes) -> dict[str, Any]:
    photo = (await client.post("/photos", files={"file": ("a.jpg", jpeg)})).json()
    job_id = (await client.post("/processing/submit", json={"photo_id": photo["id"]})).json()["job_id"]

    async def ended() -> dict[str, Any] | None:
        job: dict[str, Any] = (await client.get(f"/processing/jobs/{job_id}")).json()
        return job if job["status"] in ("completed", "failed") else None

    found: dict[str, Any] = await wait_until(ended, 60)
    return found


async def log_of(client: httpx.AsyncClient, hook_id: str, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get(f"/webhooks/{hook_id}/deliveries", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["deliveries"]
    return found


async def tried(client: httpx.AsyncClient, hook_id: str, times: int) -> dict[str, Any]:
    """The webhook's newest message, once it was tried so often."""

    async def look() -> dict[str, Any] | None:
        rows = await log_of(client, hook_id)
        return rows[0] if rows and len(rows[0]["attempts"]) >= times else None

    found: dict[str, Any] = await wait_until(look, 30)
    return found


async def time_passes(services: Services, delivery_id: str, **values: Any) -> None:
    """As if it were later: the message is due now."""
    async with services.db.begin() as session:
        row = update(Delivery).where(Delivery.id == UUID(delivery_id))
        await session.execute(row.values(next_at=func.now() - timedelta(seconds=1), **values))


async def test_a_finished_job_is_told_signed_and_without_links(
    me: httpx.AsyncClient, stack: Stack, hook: Receiver, eye_jpeg: bytes
) -> None:
    mine = await webhook(me, f"{hook.url}/mine")
    assert "secret" in mine and (await me.get(f"/webhooks/{mine['id']}")).json()["secret"] is None
    async with client_for(stack, uuid4()) as other, client_for(stack, uuid4(), WEBHOOKS_ALL) as backend:
        await webhook(other, f"{hook.url}/other")
        everybody = await webhook(backend, f"{hook.url}/all", all_users=True)
        assert (await other.post("/webhooks", json={"url": hook.url, "all_users": True})).status_code == 403
        job = await run_job(me, eye_jpeg)
        await tried(me, mine["id"], 1)
        await tried(backend, everybody["id"], 1)
        assert (await backend.delete(f"/webhooks/{everybody['id']}")).status_code == 204
    by_path = {request.path: request for request in hook.received}
    assert set(by_path) == {"/mine", "/all"}, "nobody else's"
    request = by_path["/mine"]
    body = Verifier(mine["secret"]).verify(request.body, request.headers)
    assert body["type"] == "job.completed" and body["data"]["job_id"] == job["job_id"]
    assert body["data"]["result_width"] == job["result_width"]
    assert b"http" not in request.body, "a signed link would be a key in somebody's log"
    with pytest.raises(WebhookVerificationError):
        Verifier(mine["secret"]).verify(request.body.replace(b"completed", b"cancelled"), request.headers)
    [delivery] = await log_of(me, mine["id"])
    assert delivery["status"] == "sent" and delivery["next_at"] is None
    assert delivery["message_id"] == request.headers["webhook-id"]
    assert [a["answer"] for a in delivery["attempts"]] == [204]


async def test_a_receiver_that_fails_is_tried_again_under_the_same_id(
    me: httpx.AsyncClient, services: Services, hook: Receiver
) -> None:
    hook.answers += [(500, {}, b"oops"), (429, {"Retry-After": "3600"}, b"")]
    made = await webhook(me, hook.url)
    await me.post(f"/webhooks/{made['id']}/test")
    first = await tried(me, made["id"], 1)
    assert first["status"] == "pending" and first["event"] == "webhook.test"
    assert "answered 500" in first["attempts"][0]["error"]
    await time_passes(services, first["id"])
    await tried(me, made["id"], 2)
    async with services.db() as session:
        waits: Any = await session.scalar(select(Delivery.next_at - func.now()).where(Delivery.id == UUID(first["id"])))
    assert waits and timedelta(minutes=50) < waits <= timedelta(hours=1), "as long as it asked for"
    await time_passes(services, first["id"])
    last = await tried(me, made["id"], 3)
    assert last["status"] == "sent", last
    assert [a["answer"] for a in last["attempts"]] == [500, 429, 204]
    assert len({r.headers["webhook-id"] for r in hook.received}) == 1
    for request in hook.received:
        Verifier(made["secret"]).verify(request.body, request.headers)


async def test_what_was_given_up_is_listed_and_can_be_sent_once_more(
    me: httpx.AsyncClient, services: Services, hook: Receiver
) -> None:
    hook.answers += [(503, {}, b"")] * 2
    made = await webhook(me, hook.url)
    await me.post(f"/webhooks/{made['id']}/test")
    first = await tried(me, made["id"], 1)
    await time_passes(services, first["id"], attempts=len(PAUSES_S))
    assert (await tried(me, made["id"], 2))["status"] == "dead"
    [dead] = await log_of(me, made["id"], status="dead")
    assert not await log_of(me, made["id"], status="sent")
    again = await me.post(f"/webhooks/{made['id']}/deliveries/{dead['id']}/redeliver")
    assert again.status_code == 202 and again.json()["message_id"] == dead["message_id"]
    assert (await tried(me, made["id"], 3))["status"] == "sent"
    assert (await me.post(f"/webhooks/{made['id']}/deliveries/{uuid4()}/redeliver")).status_code == 404


async def test_410_switches_it_off_and_redirects_are_not_followed(me: httpx.AsyncClient, hook: Receiver) -> None:
    hook.answers += [(302, {"Location": f"{hook.url}/elsewhere"}, b"")]
    made = await webhook(me, hook.url)
    await me.post(f"/webhooks/{made['id']}/test")
    assert "redirects are not followed" in (await tried(me, made["id"], 1))["attempts"][0]["error"]
    assert [r.path for r in hook.received] == ["/"]
    hook.answers += [(410, {}, b"")]
    await me.post(f"/webhooks/{made['id']}/test")
    assert (await tried(me, made["id"], 1))["status"] == "dead"
    assert (await me.get(f"/webhooks/{made['id']}")).json()["disabled_at"]


async def test_a_worker_that_dies_with_a_message_in_hand_loses_none(
    me: httpx.AsyncClient, services: Services, user: UUID, hook: Receiver, eye_jpeg: bytes
) -> None:
    """The row is there once the job has ended; whoever takes it and falls silent loses it when the lease is over."""
    made = await webhook(me, f"{hook.url}/gone", events=["job.failed"])
    photo = (await me.post("/photos", files={"file": ("a.jpg", eye_jpeg)})).json()
    async with services.db.begin() as session:
        job = (await db.jobs.add_jobs(session, user, [UUID(photo["id"])], "interactive", False))[0]
    mine = await lease.claim(services, job.id, {})
    assert mine
    async with services.db.begin() as session:
        ended = await db.jobs.end(session, job.id, mine.attempt, JobStatus.FAILED, error_message="x")
        assert ended
        await outbox.record(session, ended)
        taken = [
            due
            for due in await db.notifications.take_due_deliveries(session, 100, LEASE_S)
            if due.delivery.job_id == job.id
        ]
    assert len(taken) == 1 and not hook.received
    await time_passes(services, str(taken[0].delivery.id))
    found = await tried(me, made["id"], 1)
    assert found["status"] == "sent" and len(hook.received) == 1
    assert found["job_id"] == str(job.id)


async def test_ending_a_job_and_its_notice_are_one_transaction(
    me: httpx.AsyncClient, services: Services, user: UUID, hook: Receiver, eye_jpeg: bytes
) -> None:
    made = await webhook(me, hook.url, events=["job.failed"])
    photo = (await me.post("/photos", files={"file": ("a.jpg", eye_jpeg)})).json()
    async with services.db.begin() as session:
        job = (await db.jobs.add_jobs(session, user, [UUID(photo["id"])], "interactive", False))[0]
    mine = await lease.claim(services, job.id, {})
    assert mine and await lease.fail(services, mine, NoIrisFound())
    async with services.db() as session:
        rows = (await session.scalars(select(Delivery).where(Delivery.job_id == job.id))).all()
    assert [str(row.webhook_id) for row in rows] == [made["id"]]
    await lease.fail(services, mine, NoIrisFound())  # the same write once more, as after a lost answer
    found = await tried(me, made["id"], 1)
    body = found["body"]["data"]
    assert body["message"] == "Iris not detected in image" and "better lighting" in body["suggestion"]
    assert len(await log_of(me, made["id"])) == 1


async def test_a_new_secret_signs_beside_the_old_one_for_a_day(
    me: httpx.AsyncClient, services: Services, hook: Receiver
) -> None:
    made = await webhook(me, hook.url)
    newer = (await me.post(f"/webhooks/{made['id']}/secret")).json()
    assert newer["secret"] != made["secret"]
    await me.post(f"/webhooks/{made['id']}/test")
    await tried(me, made["id"], 1)
    for secret in (made["secret"], newer["secret"]):
        Verifier(secret).verify(hook.received[0].body, hook.received[0].headers)
    async with services.db.begin() as session:
        await db.notifications.change_webhook(session, UUID(made["id"]), old_secret_until=func.now())
    await me.post(f"/webhooks/{made['id']}/test")
    await wait_until(lambda: len(hook.received) == 2, 30)
    with pytest.raises(WebhookVerificationError):
        Verifier(made["secret"]).verify(hook.received[1].body, hook.received[1].headers)


async def test_the_same_key_makes_one_webhook(me: httpx.AsyncClient, hook: Receiver) -> None:
    headers, body = {"Idempotency-Key": uuid4().hex}, {"url": hook.url}
    first, again = [await me.post("/webhooks", json=body, headers=headers) for _ in range(2)]
    assert first.status_code == again.status_code == 201 and first.json() == again.json()
    other = await me.post("/webhooks", json=body | {"events": ["job.failed"]}, headers=headers)
    assert other.status_code == 409
    await me.delete(f"/webhooks/{first.json()['id']}")
    assert (await me.post("/webhooks", json=body, headers=headers)).status_code == 404


async def test_limits_and_what_is_not_ones_own(me: httpx.AsyncClient, stack: Stack, hook: Receiver) -> None:
    made = [await webhook(me, hook.url) for _ in range(10)]
    over = await me.post("/webhooks", json={"url": hook.url})
    assert over.status_code == 409 and "delete one first" in over.json()["detail"]
    assert len((await me.get("/webhooks")).json()["webhooks"]) == 10
    assert (await me.post("/webhooks", json={"url": "gopher://x"})).status_code == 422
    async with client_for(stack, uuid4()) as other:
        for method, path in (
            ("GET", ""),
            ("DELETE", ""),
            ("GET", "/deliveries"),
            ("POST", "/test"),
            ("POST", "/secret"),
        ):
            assert (await other.request(method, f"/webhooks/{made[0]['id']}{path}")).status_code == 404
    assert (await me.delete(f"/webhooks/{made[0]['id']}")).status_code == 204
    assert (await me.get(f"/webhooks/{made[0]['id']}")).status_code == 404


async def test_push_tells_every_device_of_the_user(me: httpx.AsyncClient, firebase: Firebase, eye_jpeg: bytes) -> None:
    tokens = [f"token-{uuid4()}" for _ in range(3)]
    devices = [(await me.post("/devices", json={"token": t, "platform": "android"})).json() for t in tokens]
    assert all(device["push_enabled"] for device in devices)
    firebase.refuses[tokens[1]] = [Firebase.error(404, "NOT_FOUND", "UNREGISTERED")]
    firebase.refuses[tokens[2]] = [Firebase.error(503, "UNAVAILABLE", "UNAVAILABLE")]
    job = await run_job(me, eye_jpeg)

    found = await wait_until(lambda: [m for m in firebase.messages if m["token"] in tokens] or None, 30)
    assert found[0]["notification"] == {"title": "Irisvue", "body": "Your iris art is ready to view!"}
    assert found[0]["data"]["job_id"] == job["job_id"] and all(isinstance(v, str) for v in found[0]["data"].values())

    async def dropped() -> bool:
        left = {device["id"] for device in (await me.get("/devices")).json()["devices"]}
        return left == {devices[0]["id"], devices[2]["id"]}

    await wait_until(dropped, 30)
    await wait_until(lambda: {m["token"] for m in firebase.messages} >= {tokens[0], tokens[2]}, 30)  # after 5 s


async def test_a_device_belongs_to_whoever_registered_it_last(
    me: httpx.AsyncClient, stack: Stack, firebase: Firebase, wall: Any, eye_jpeg: bytes
) -> None:
    token = f"token-{uuid4()}"
    await me.post("/devices", json={"token": token, "platform": "ios"})
    async with client_for(stack, uuid4()) as other:
        moved = (await other.post("/devices", json={"token": token, "platform": "ios"})).json()
        assert (await me.get("/devices")).json()["devices"] == []
        assert (await me.delete(f"/devices/{moved['id']}")).status_code == 404
        await run_job(me, eye_jpeg)
        assert (await other.delete(f"/devices/{moved['id']}")).status_code == 204
    assert not [m for m in firebase.messages if m["token"] == token]


async def test_old_notices_are_forgotten(services: Services, me: httpx.AsyncClient, hook: Receiver) -> None:
    made = await webhook(me, hook.url)
    for _ in range(2):
        await me.post(f"/webhooks/{made['id']}/test")
    await wait_until(lambda: len(hook.received) == 2, 30)
    old = (await tried(me, made["id"], 1))["id"]
    await time_passes(services, old, created_at=func.now() - timedelta(days=31), status=DeliveryStatus.SENT)
    async with services.db.begin() as session:
        await db.notifications.delete_old_deliveries(session)
    left = await log_of(me, made["id"])
    assert len(left) == 1 and left[0]["id"] != old


def test_bodies_are_json_that_apps_can_read() -> None:
    job = Job(id=uuid4(), photo_id=uuid4(), user_id=uuid4(), status="cancelled")
    assert json.loads(json.dumps(outbox.message_about(job)))["type"] == "job.cancelled"
