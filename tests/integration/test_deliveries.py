"""Deliveries: attempted again under the same id, given up in the end, and not lost when a worker dies."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import func, select
from standardwebhooks import Webhook as Verifier

from orchestrator import db
from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Delivery, DeliveryStatus
from orchestrator.errors import NoIrisFound
from orchestrator.jobs import lease
from orchestrator.jobs.lease import Claim
from orchestrator.notifications import outbox
from orchestrator.notifications.dispatcher import LEASE_S, PAUSES_S
from orchestrator.services import Services
from tests.deliveries import WEBHOOKS, deliveries, make_due, newest_after, received, registered, send_test
from tests.receivers import Receiver, receiver
from tests.waiting import uploaded


@pytest.fixture
def app() -> Iterator[Receiver]:
    """The server of an app that wants to be called."""
    with receiver() as server:
        yield server


async def claimed(services: Services, user: UUID, photo_id: str) -> Claim:
    """A new job, which this process has claimed."""
    async with services.db.begin() as session:
        (job,) = (await db.submission.add_jobs(session, user, [UUID(photo_id)], "interactive", False)).accepted
    claim = await lease.claim(services, job.id, {})
    assert claim
    return claim


async def test_a_receiver_that_fails_is_called_again_under_the_same_id(
    user_api: httpx.AsyncClient, services: Services, app: Receiver
) -> None:
    app.answers += [(500, {}, b"oops"), (429, {"Retry-After": "3600"}, b"")]
    webhook = await registered(user_api, app.url)
    await send_test(user_api, webhook["id"])
    first = await newest_after(user_api, webhook["id"], attempts=1)
    assert first["status"] == "pending" and first["event"] == "webhook.test"
    assert "answered 500" in first["attempts"][0]["error"]
    await make_due(services, first["id"])
    await newest_after(user_api, webhook["id"], attempts=2)
    async with services.db() as session:
        pause: Any = await session.scalar(select(Delivery.next_at - func.now()).where(Delivery.id == UUID(first["id"])))
    assert pause and timedelta(minutes=50) < pause <= timedelta(hours=1), "as long as Retry-After says"
    await make_due(services, first["id"])
    last = await newest_after(user_api, webhook["id"], attempts=3)
    assert last["status"] == "sent", last
    assert [attempt["answer"] for attempt in last["attempts"]] == [500, 429, 204]
    assert len({request.headers["webhook-id"] for request in app.received}) == 1
    for request in app.received:
        Verifier(webhook["secret"]).verify(request.body, request.headers)


async def test_a_delivery_that_was_given_up_is_listed_and_can_be_sent_once_more(
    user_api: httpx.AsyncClient, services: Services, app: Receiver
) -> None:
    app.answers += [(503, {}, b"")] * 2
    webhook = await registered(user_api, app.url)
    await send_test(user_api, webhook["id"])
    first = await newest_after(user_api, webhook["id"], attempts=1)
    await make_due(services, first["id"], attempts=len(PAUSES_S))
    assert (await newest_after(user_api, webhook["id"], attempts=2))["status"] == "dead"
    [dead] = await deliveries(user_api, webhook["id"], status="dead")
    assert not await deliveries(user_api, webhook["id"], status="sent")
    address = f"{WEBHOOKS}/{webhook['id']}/deliveries"
    again = await user_api.post(f"{address}/{dead['id']}/redeliver")
    assert again.status_code == 202 and again.json()["message_id"] == dead["message_id"]
    assert (await newest_after(user_api, webhook["id"], attempts=3))["status"] == "sent"
    assert (await user_api.post(f"{address}/{uuid4()}/redeliver")).status_code == 404


async def test_410_disables_a_webhook_and_redirects_are_not_followed(
    user_api: httpx.AsyncClient, app: Receiver
) -> None:
    app.answers += [(302, {"Location": f"{app.url}/elsewhere"}, b"")]
    webhook = await registered(user_api, app.url)
    await send_test(user_api, webhook["id"])
    redirected = await newest_after(user_api, webhook["id"], attempts=1)
    assert "redirects are not followed" in redirected["attempts"][0]["error"]
    assert [request.path for request in app.received] == ["/"]
    app.answers += [(410, {}, b"")]
    await send_test(user_api, webhook["id"])
    assert (await newest_after(user_api, webhook["id"], attempts=1))["status"] == "dead"
    assert (await user_api.get(f"{WEBHOOKS}/{webhook['id']}")).json()["disabled_at"]


async def test_a_worker_that_dies_while_it_sends_loses_no_delivery(
    user_api: httpx.AsyncClient, services: Services, user: UUID, app: Receiver, eye_jpeg: bytes
) -> None:
    """The row exists once the job has ended; a worker that takes it and dies loses it when the lease is over."""
    webhook = await registered(user_api, app.url, events=["job.failed"])
    claim = await claimed(services, user, await uploaded(user_api, eye_jpeg))
    async with services.db.begin() as session:
        job = await db.jobs.end(session, claim.job.id, claim.attempt, JobStatus.FAILED, error_message="x")
        assert job
        await outbox.record(session, services.settings, job)
        due = await db.notifications.take_due_deliveries(session, 100, LEASE_S)
    [taken] = [row.delivery for row in due if row.delivery.job_id == job.id]
    assert not app.received
    await make_due(services, str(taken.id))
    delivery = await newest_after(user_api, webhook["id"], attempts=1)
    assert delivery["status"] == "sent" and len(app.received) == 1
    assert delivery["job_id"] == str(job.id)


async def test_the_end_of_a_job_and_its_delivery_are_one_transaction(
    user_api: httpx.AsyncClient, services: Services, user: UUID, app: Receiver, eye_jpeg: bytes
) -> None:
    webhook = await registered(user_api, app.url, events=["job.failed"])
    claim = await claimed(services, user, await uploaded(user_api, eye_jpeg))
    assert await lease.fail(services, claim, NoIrisFound())
    async with services.db() as session:
        rows = (await session.scalars(select(Delivery).where(Delivery.job_id == claim.job.id))).all()
    assert [str(row.webhook_id) for row in rows] == [webhook["id"]]
    await lease.fail(services, claim, NoIrisFound())  # the same write once more, as after a lost answer
    data = (await newest_after(user_api, webhook["id"], attempts=1))["body"]["data"]
    assert data["message"] == "Iris not detected in image" and "better lighting" in data["suggestion"]
    assert len(await deliveries(user_api, webhook["id"])) == 1


async def test_old_deliveries_are_deleted(services: Services, user_api: httpx.AsyncClient, app: Receiver) -> None:
    webhook = await registered(user_api, app.url)
    for _ in range(2):
        await send_test(user_api, webhook["id"])
    await received(app, 2)
    old = (await newest_after(user_api, webhook["id"], attempts=1))["id"]
    await make_due(services, old, created_at=func.now() - timedelta(days=31), status=DeliveryStatus.SENT)
    async with services.db.begin() as session:
        await db.notifications.delete_old_deliveries(session)
    left = await deliveries(user_api, webhook["id"])
    assert len(left) == 1 and left[0]["id"] != old
