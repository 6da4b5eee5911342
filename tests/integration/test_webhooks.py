"""Webhooks: who is called, what the message holds and how it is signed, and the calls that manage them."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import func
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from orchestrator import db
from orchestrator.auth.tokens import WEBHOOKS_ALL
from orchestrator.embedded.stack import Stack
from orchestrator.services import Services
from tests.deliveries import WEBHOOKS, deliveries, newest_after, received, registered, send_test
from tests.receivers import Receiver, receiver
from tests.users import client_of
from tests.waiting import ended, submitted


@pytest.fixture
def app() -> Iterator[Receiver]:
    """The server of an app that wants to be called."""
    with receiver() as server:
        yield server


async def test_the_end_of_a_job_is_sent_signed_and_without_links(
    user_api: httpx.AsyncClient, stack: Stack, app: Receiver, eye_jpeg: bytes
) -> None:
    own = await registered(user_api, f"{app.url}/own")
    assert "secret" in own and (await user_api.get(f"{WEBHOOKS}/{own['id']}")).json()["secret"] is None
    async with client_of(stack, uuid4()) as other, client_of(stack, uuid4(), WEBHOOKS_ALL) as backend:
        await registered(other, f"{app.url}/other")
        of_all_users = await registered(backend, f"{app.url}/all", all_users=True)
        assert (await other.post(WEBHOOKS, json={"url": app.url, "all_users": True})).status_code == 403
        job = await ended(user_api, await submitted(user_api, eye_jpeg))
        await newest_after(user_api, own["id"], attempts=1)
        await newest_after(backend, of_all_users["id"], attempts=1)
        assert (await backend.delete(f"{WEBHOOKS}/{of_all_users['id']}")).status_code == 204
    by_path = {request.path: request for request in app.received}
    assert set(by_path) == {"/own", "/all"}, "no other user's webhook"
    request = by_path["/own"]
    body = Verifier(own["secret"]).verify(request.body, request.headers)
    assert body["type"] == "job.completed" and body["data"]["job_id"] == job["job_id"]
    assert body["data"]["result_width"] == job["result_width"]
    assert b"signature" not in request.body, "a signed link would be a key in the receiver's log"
    assert body["data"].pop("url") == f"{stack.url}/?job={job['job_id']}" and "http" not in str(body["data"])
    with pytest.raises(WebhookVerificationError):
        Verifier(own["secret"]).verify(request.body.replace(b"completed", b"cancelled"), request.headers)
    [delivery] = await deliveries(user_api, own["id"])
    assert delivery["status"] == "sent" and delivery["next_at"] is None
    assert delivery["message_id"] == request.headers["webhook-id"]
    assert [attempt["answer"] for attempt in delivery["attempts"]] == [204]


async def test_a_new_secret_signs_beside_the_old_one_for_a_day(
    user_api: httpx.AsyncClient, services: Services, app: Receiver
) -> None:
    webhook = await registered(user_api, app.url)
    renewed = (await user_api.post(f"{WEBHOOKS}/{webhook['id']}/secret")).json()
    assert renewed["secret"] != webhook["secret"]
    await send_test(user_api, webhook["id"])
    await newest_after(user_api, webhook["id"], attempts=1)
    for secret in (webhook["secret"], renewed["secret"]):
        Verifier(secret).verify(app.received[0].body, app.received[0].headers)
    async with services.db.begin() as session:
        await db.notifications.change_webhook(session, UUID(webhook["id"]), old_secret_until=func.now())
    await send_test(user_api, webhook["id"])
    await received(app, 2)
    with pytest.raises(WebhookVerificationError):
        Verifier(webhook["secret"]).verify(app.received[1].body, app.received[1].headers)


async def test_an_idempotency_key_makes_one_webhook(user_api: httpx.AsyncClient, app: Receiver) -> None:
    headers, body = {"Idempotency-Key": uuid4().hex}, {"url": app.url}
    first, again = [await user_api.post(WEBHOOKS, json=body, headers=headers) for _ in range(2)]
    assert first.status_code == again.status_code == 201 and first.json() == again.json()
    other = await user_api.post(WEBHOOKS, json=body | {"events": ["job.failed"]}, headers=headers)
    assert other.status_code == 409
    await user_api.delete(f"{WEBHOOKS}/{first.json()['id']}")
    assert (await user_api.post(WEBHOOKS, json=body, headers=headers)).status_code == 404


async def test_a_user_may_have_ten_webhooks(user_api: httpx.AsyncClient, app: Receiver) -> None:
    for _ in range(10):
        await registered(user_api, app.url)
    refused = await user_api.post(WEBHOOKS, json={"url": app.url})
    assert refused.status_code == 409 and "delete one first" in refused.json()["detail"]
    assert len((await user_api.get(WEBHOOKS)).json()["webhooks"]) == 10


async def test_an_address_that_is_not_http_is_refused(user_api: httpx.AsyncClient) -> None:
    assert (await user_api.post(WEBHOOKS, json={"url": "gopher://x"})).status_code == 422


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[fe80::1]", "[::ffff:a9fe:a9fe]", "2852039166", "[fd00:ec2::254]"]
)
async def test_a_clouds_metadata_address_is_refused_even_to_a_developer(user_api: httpx.AsyncClient, host: str) -> None:
    answer = await user_api.post(WEBHOOKS, json={"url": f"http://{host}/latest/meta-data/"})
    assert answer.status_code == 422 and "which is never called" in answer.json()["detail"]


async def test_a_webhook_is_found_by_its_owner_alone(user_api: httpx.AsyncClient, stack: Stack, app: Receiver) -> None:
    address = f"{WEBHOOKS}/{(await registered(user_api, app.url))['id']}"
    calls = [("GET", ""), ("DELETE", ""), ("GET", "/deliveries"), ("POST", "/test"), ("POST", "/secret")]
    async with client_of(stack, uuid4()) as other:
        for method, path in calls:
            assert (await other.request(method, address + path)).status_code == 404
    assert (await user_api.delete(address)).status_code == 204
    assert (await user_api.get(address)).status_code == 404
