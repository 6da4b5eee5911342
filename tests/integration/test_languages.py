"""Words follow Accept-Language in answers, streams and pushes; codes never change."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from irisvue import AsyncClient
from orchestrator.embedded.stack import Stack
from tests.conftest import PHOTOS
from tests.receivers import Firebase
from tests.streams import over_sse, websocket_address
from tests.users import client_of
from tests.waiting import ended, submitted, until

GERMAN = {"Accept-Language": "de-DE,de;q=0.9,en;q=0.8"}
FAILED = {
    "en": ("Iris not detected in image", "Try capturing a new photo in better lighting with your eye centered."),
    "de": (
        "Auf dem Bild wurde keine Iris gefunden",
        "Fotografieren Sie ein weit geöffnetes Auge aus der Nähe, in der Bildmitte und bei gutem Licht.",
    ),
}
JOB = "/api/v1/processing/jobs"


@pytest.fixture(scope="module")
def cup() -> bytes:
    return (PHOTOS / "neg_coffee.png").read_bytes()


async def test_a_failure_in_two_languages(stack: Stack, api: httpx.AsyncClient, cup: bytes) -> None:
    job_id = await submitted(api, cup)
    english = await ended(api, job_id)
    german = (await api.get(f"{JOB}/{job_id}", headers=GERMAN)).json()
    for job, language in ((english, "en"), (german, "de")):
        assert (job["error_message"], job["suggestion"]) == FAILED[language]
        assert (job["error_code"], job["step_key"]) == ("no_iris", "segmenting")
    assert german["current_step"] == "Ihre Iris wird gesucht …"
    for headers, language in (({}, "en"), (GERMAN, "de")):
        last = (await over_sse(api, job_id, **headers))[-1][2]
        assert (last["message"], last["suggestion"]) == FAILED[language]
        assert (last["error_code"], last["step_key"]) == ("no_iris", "segmenting")
    address = websocket_address(stack, f"/ws/jobs/{job_id}", token=stack.token)
    async with connect(address, additional_headers=GERMAN, proxy=None) as socket:
        assert json.loads(await socket.recv())["message"] == FAILED["de"][0]
    photo = (await api.get(f"/api/v1/photos/{german['photo_id']}", headers=GERMAN)).json()
    assert photo["ai_error_message"] == FAILED["de"][0]


async def test_steps_and_warnings_of_a_result(stack: Stack, api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    job_id = await submitted(api, eye_jpeg)
    messages = [message for _, _, message in await over_sse(api, job_id, **GERMAN)]
    assert messages[-1]["step"] == "Fertig!" and messages[-1]["step_key"] == "complete"
    assert isinstance(messages[-1]["warning_codes"], list)
    keys = {str(message["step_key"]): message["step"] for message in messages}
    assert keys["enhancing"] == "Die Qualität wird verbessert …"
    async with AsyncClient(stack.url, stack.token, language="fr") as client:
        job = await client.job(job_id)
    assert (job.current_step, job.step_key) == ("Terminé !", "complete")
    assert len(job.warning_codes or []) == len(job.quality_warnings or [])


async def test_refusals_and_unknown_languages(stack: Stack, api: httpx.AsyncClient) -> None:
    path = f"{JOB}/{uuid4()}"
    german = await api.get(path, headers=GERMAN)
    assert (
        german.json()["detail"] == "Unter dieser Kennung gibt es hier nichts." and german.json()["code"] == "not_found"
    )
    assert german.headers["content-language"] == "de" and "Accept-Language" in german.headers["vary"]
    for header in ("tlh", "*", "", ";;;,", "../de", "de;q=0"):
        answer = await api.get(path, headers={"Accept-Language": header})
        assert answer.json()["detail"] == "There is nothing here under this id." and answer.status_code == 404
    async with connect(websocket_address(stack, "/ws/jobs"), additional_headers=GERMAN, proxy=None) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd and closed.value.rcvd.reason == "Es wird ein gültiges Token gebraucht."


async def test_a_push_in_the_language_of_the_phone(stack: Stack, firebase: Firebase, cup: bytes) -> None:
    token = uuid4().hex
    async with client_of(stack, uuid4()) as api:
        device = {"token": token, "platform": "ios"}
        registered = await api.post("/api/v1/devices", json=device, headers=GERMAN)
        assert registered.json()["language"] == "de"
        await ended(api, await submitted(api, cup))

    async def arrived() -> list[dict[str, Any]]:
        return [message for message in firebase.messages if message["token"] == token]

    message = (await until(arrived))[0]
    assert message["notification"]["body"] == FAILED["de"][0]
    assert (message["data"]["error_code"], message["data"]["step_key"]) == ("no_iris", "segmenting")
