"""Push notifications, through a Firebase and a browsers' push service of our own."""

import stat
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import func, select

from orchestrator.db.subject_data import rows_of
from orchestrator.db.tables import Delivery
from orchestrator.embedded.stack import Stack
from orchestrator.errors import Invalid
from orchestrator.notifications.push_content import COMPLETED
from orchestrator.notifications.subscriptions import add_device
from orchestrator.services import Services
from orchestrator.words.catalogue import translated
from tests.push_service import PushService, Subscription, base64url
from tests.receivers import Firebase, receiver
from tests.users import client_of
from tests.waiting import ended, submitted, until

DEVICES = "/api/v1/devices"


async def test_every_device_of_the_user_is_notified(
    user_api: httpx.AsyncClient, firebase: Firebase, eye_jpeg: bytes
) -> None:
    good, unregistered, failing = tokens = [f"token-{uuid4()}" for _ in range(3)]
    devices = [(await user_api.post(DEVICES, json={"token": t, "platform": "android"})).json() for t in tokens]
    assert all(device["push_enabled"] for device in devices)
    firebase.refuses[unregistered] = [Firebase.error(404, "NOT_FOUND", "UNREGISTERED")]
    firebase.refuses[failing] = [Firebase.error(503, "UNAVAILABLE", "UNAVAILABLE")]
    job = await ended(user_api, await submitted(user_api, eye_jpeg))

    async def messages() -> list[dict[str, Any]]:
        return [message for message in firebase.messages if message["token"] in tokens]

    message = (await until(messages, 30))[0]
    assert message["notification"] == {"title": "Irisvue", "body": "Your iris art is ready to view!"}
    assert message["data"]["job_id"] == job["job_id"]
    assert all(isinstance(value, str) for value in message["data"].values())

    async def forgotten() -> bool:
        left = {device["id"] for device in (await user_api.get(DEVICES)).json()["devices"]}
        return left == {devices[0]["id"], devices[2]["id"]}

    await until(forgotten, 30)

    async def both_notified() -> bool:
        return {message["token"] for message in await messages()} >= {good, failing}

    await until(both_notified, 30)  # the second attempt comes after 5 s


async def test_a_device_belongs_to_the_user_who_registered_it_last(
    user_api: httpx.AsyncClient, stack: Stack, firebase: Firebase, eye_jpeg: bytes
) -> None:
    token = f"token-{uuid4()}"
    await user_api.post(DEVICES, json={"token": token, "platform": "ios"})
    async with client_of(stack, uuid4()) as other:
        moved = (await other.post(DEVICES, json={"token": token, "platform": "ios"})).json()
        assert (await user_api.get(DEVICES)).json()["devices"] == []
        assert (await user_api.delete(f"{DEVICES}/{moved['id']}")).status_code == 404
        await ended(user_api, await submitted(user_api, eye_jpeg))
        assert (await other.delete(f"{DEVICES}/{moved['id']}")).status_code == 204
    assert not [message for message in firebase.messages if message["token"] == token]


@pytest.fixture
def service() -> Iterator[PushService]:
    """A browser's push service, which takes only what the stack's own key has signed."""
    with receiver() as server:
        yield PushService(server)


async def test_a_browser_is_told_in_its_language_and_only_it_can_read_that(
    user_api: httpx.AsyncClient,
    user: UUID,
    stack: Stack,
    services: Services,
    service: PushService,
    eye_jpeg: bytes,
) -> None:
    service.public_key = (await user_api.get(f"{DEVICES}/browser-key")).json()["public_key"]
    assert service.public_key and len(service.public_key) == 87
    assert stat.S_IMODE((stack.folder / "secrets" / "vapid").stat().st_mode) == 0o600
    browser, away = service.subscribe(), service.subscribe()
    away.answers = [(503, {}, b"")]
    for subscription, language in ((browser, "fr"), (away, "de")):
        headers = {"Accept-Language": language}
        answer = await user_api.post(DEVICES, json=subscription.device, headers=headers)
        assert answer.status_code == 201 and answer.json()["push_enabled"] and subscription.endpoint not in answer.text
    job = await ended(user_api, await submitted(user_api, eye_jpeg))

    async def told() -> bool:
        return bool(browser.messages and away.messages)

    await until(told, 30)  # the second attempt comes after 5 s
    [message] = browser.messages
    assert message["body"] == translated(COMPLETED, "fr") and away.messages[0]["body"] == translated(COMPLETED, "de")
    assert (message["job_id"], message["status"]) == (job["job_id"], "completed")
    assert message["url"] == f"{stack.url}/?job={job['job_id']}"
    assert [len(browser.requests), len(away.requests)] == [1, 2]
    async with services.db() as session:
        rows = await rows_of(session, user)
    assert len(rows["devices"]) == 2 and browser.keys["auth"] not in str(rows), "an export holds no keys"


@pytest.mark.parametrize("status", [404, 410])
async def test_a_subscription_that_is_gone_is_deleted_and_not_tried_again(
    user_api: httpx.AsyncClient, services: Services, service: PushService, eye_jpeg: bytes, status: int
) -> None:
    gone, other = service.subscribe(), service.subscribe()
    gone.answers = [(status, {}, b"")]
    devices = [(await user_api.post(DEVICES, json=s.device)).json()["id"] for s in (gone, other)]
    await ended(user_api, await submitted(user_api, eye_jpeg))

    async def forgotten() -> bool:
        left = [device["id"] for device in (await user_api.get(DEVICES)).json()["devices"]]
        return left == devices[1:]

    await until(forgotten, 30)
    async with services.db() as session:
        waiting = select(func.count()).select_from(Delivery).where(Delivery.device_id == UUID(devices[0]))
        assert await session.scalar(waiting) == 0
    assert len(gone.requests) == 1


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"token": "http://169.254.169.254/latest"}, "which is never called"),
        ({"token": "https://metadata/x"}, "which is never called"),
        ({"token": "not-an-address"}, "must begin with https://"),
        ({"token": "https://user:secret@push.example.com/x"}, "must not carry a user"),
        ({"keys": {"p256dh": "BA", "auth": base64url(bytes(16))}}, "keys of this push subscription are broken"),
        ({"keys": Subscription("").keys | {"auth": "short"}}, "keys of this push subscription are broken"),
        ({"keys": {"p256dh": "BA"}}, "auth"),
    ],
)
async def test_a_bad_subscription_is_refused_in_words(
    user_api: httpx.AsyncClient, service: PushService, change: dict[str, Any], words: str
) -> None:
    answer = await user_api.post(DEVICES, json=service.subscribe().device | change)
    assert answer.status_code == 422 and words in answer.json()["detail"]
    assert (await user_api.get(DEVICES)).json()["devices"] == []


async def test_a_private_address_is_refused_where_others_can_call(services: Services, service: PushService) -> None:
    public = replace(services, settings=services.settings.model_copy(update={"webhook_private_addresses": False}))
    for endpoint in ("https://10.0.0.7/push", "https://router.local/push", service.subscribe().endpoint):
        with pytest.raises(Invalid):
            await add_device(public, uuid4(), endpoint, "web", "en", Subscription("").keys)
