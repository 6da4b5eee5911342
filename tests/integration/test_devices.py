"""Push notifications, through a Firebase of our own."""

from typing import Any
from uuid import uuid4

import httpx

from orchestrator.embedded.stack import Stack
from tests.receivers import Firebase
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
