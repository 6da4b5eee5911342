"""Firebase's refusals: those that are about a device's token, and those that are not."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.config import Settings
from orchestrator.notifications.fcm import Fcm
from tests.receivers import Firebase, json_answer, receiver

BODY = {"type": "job.completed", "data": {"job_id": "1", "photo_id": "2", "status": "completed"}}


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[Firebase, Fcm]]:
    """Firebase, and what sends to it."""
    with receiver() as server:
        firebase = Firebase(server, tmp_path)
        given = {"fcm_credentials": str(firebase.credentials), "fcm_url": firebase.url}
        fcm = Fcm.open(Settings.model_validate(given))
        assert fcm
        yield firebase, fcm
        await fcm.aclose()


def refusal(status: int, name: str, code: str = "", text: str = "", *fields: str) -> Any:
    """An answer of Firebase; `code` is FCM's own, which comes only from FCM itself."""
    details: list[dict[str, Any]] = []
    if code:
        details.append({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
    if fields:
        violations = [{"field": field, "description": "invalid"} for field in fields]
        details.append({"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": violations})
    return json_answer(status, {"error": {"code": status, "status": name, "message": text, "details": details}})


INVALID = "The registration token is not a valid FCM registration token"
ABOUT_THE_TOKEN = [
    refusal(404, "NOT_FOUND", "UNREGISTERED", "Requested entity was not found."),
    refusal(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", INVALID),
    refusal(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "Request contains an invalid argument."),
    refusal(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "Request contains an invalid argument.", "message.token"),
]
ABOUT_SOMETHING_ELSE = [
    refusal(404, "NOT_FOUND", "", "Requested entity was not found."),  # a project that is not there
    refusal(404, "NOT_FOUND", "NOT_FOUND"),
    (404, {"Content-Type": "text/html"}, b"<html>Not found</html>"),
    (404, {}, b""),
    (404, {}, b"[]"),
    refusal(400, "INVALID_ARGUMENT", "", "Invalid JSON payload received."),
    refusal(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "Android message is too big"),
    refusal(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "Invalid value", "message.data[0].value"),
    refusal(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
    refusal(403, "PERMISSION_DENIED"),
]
LATER = [
    refusal(401, "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"),
    refusal(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"),
    refusal(503, "UNAVAILABLE", "UNAVAILABLE"),
    (500, {}, b"oops"),
]


@pytest.mark.parametrize("answer", ABOUT_THE_TOKEN)
async def test_a_device_that_is_gone_is_unwanted(pair: tuple[Firebase, Fcm], answer: Any) -> None:
    firebase, fcm = pair
    firebase.refuses["t"] = [answer]
    result = await fcm.send("t", BODY)
    assert result.unwanted and result.final and not result.delivered


@pytest.mark.parametrize("answer", [*ABOUT_SOMETHING_ELSE, *LATER])
async def test_other_refusals_say_nothing_about_the_device(pair: tuple[Firebase, Fcm], answer: Any) -> None:
    firebase, fcm = pair
    firebase.refuses["t"] = [answer]
    result = await fcm.send("t", BODY)
    assert not result.unwanted and not result.delivered
    assert result.final == (answer not in LATER)
    assert result.error and result.error.startswith(str(answer[0]))
