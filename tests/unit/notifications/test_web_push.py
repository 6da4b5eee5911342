"""Keys of web push, what is sent under them, and what a push service's answers mean."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from orchestrator.config import Settings
from orchestrator.db.tables import Device
from orchestrator.errors import Invalid, SetupError
from orchestrator.notifications import vapid
from orchestrator.notifications.posting import Posting
from orchestrator.notifications.push_content import COMPLETED
from orchestrator.notifications.web_push import WebPush
from orchestrator.words.catalogue import translated
from tests.push_service import PushService, Subscription, base64url, from_base64url
from tests.receivers import Receiver, receiver

KEY = "0" * 63 + "7"
BODY: dict[str, Any] = {
    "type": "job.completed",
    "data": {"job_id": str(uuid4()), "photo_id": str(uuid4()), "status": "completed"},
}
POINT = base64url(b"\x04" + bytes(64))  # not on the curve


@pytest.fixture
def server() -> Iterator[Receiver]:
    with receiver() as opened:
        yield opened


@pytest.fixture
async def sender() -> AsyncIterator[WebPush]:
    settings = Settings(vapid_key=SecretStr(KEY), webhook_private_addresses=True)
    posting = Posting(settings)
    opened = WebPush.open(settings, posting)
    assert opened
    yield opened
    await posting.aclose()


def device(subscription: Subscription, language: str | None = None) -> Device:
    return Device(token=subscription.endpoint, push_keys=subscription.keys, language=language)


async def test_only_the_browser_can_read_it_and_the_service_knows_who_sent_it(
    server: Receiver, sender: WebPush
) -> None:
    service = PushService(server)
    service.public_key = vapid.public_key(Settings(vapid_key=SecretStr(KEY)))
    subscription = service.subscribe()
    result = await sender.send(device(subscription, "de"), BODY)
    assert result.delivered and result.status == 201, result.error
    [message] = subscription.messages
    assert message == {"title": "Irisvue", "body": translated(COMPLETED, "de"), "type": "job.completed"} | BODY["data"]
    [request] = subscription.requests
    assert b"completed" not in request.body
    with pytest.raises(InvalidTag):
        service.subscribe().decrypted(request.body)


def test_it_decrypts_the_example_of_the_rfc() -> None:
    """RFC 8291, section 5; so the tests' own reading of the RFC is right."""
    number = from_base64url("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")
    private = ec.derive_private_key(int.from_bytes(number), ec.SECP256R1())
    browser = Subscription("", private, from_base64url("BTBZMqHH6r4Tts7J_aSIgg"))
    body = (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3j"
        "l7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )
    assert browser.decrypted(from_base64url(body)) == b"When I grow up, I want to be a watermelon"


@pytest.mark.parametrize(
    ("status", "unwanted", "final"),
    [
        (404, True, True),
        (410, True, True),
        (400, False, True),
        (413, False, True),
        (301, False, True),
        (403, False, False),
        (429, False, False),
        (500, False, False),
        (503, False, False),
    ],
)
async def test_what_an_answer_means(
    server: Receiver, sender: WebPush, status: int, unwanted: bool, final: bool
) -> None:
    subscription = PushService(server).subscribe()
    subscription.answers = [(status, {"Retry-After": "7"}, b"")]
    result = await sender.send(device(subscription), BODY)
    assert (result.delivered, result.status, result.unwanted, result.final) == (False, status, unwanted, final)
    assert result.retry_after_s == 7


async def test_a_service_that_is_away_is_tried_again(sender: WebPush) -> None:
    result = await sender.send(device(Subscription("http://127.0.0.1:9/push")), BODY)
    assert not result.delivered and not result.final and not result.unwanted


async def test_a_name_that_leads_to_a_private_network_is_not_called(server: Receiver) -> None:
    settings = Settings(vapid_key=SecretStr(KEY))
    posting = Posting(settings)
    sender = WebPush.open(settings, posting)
    assert sender
    endpoint = PushService(server).subscribe().endpoint.replace("127.0.0.1", "localhost")
    result = await sender.send(device(Subscription(endpoint)), BODY)
    assert result.error == "localhost resolves to an address that is not public" and not server.received
    await posting.aclose()


def test_both_forms_of_a_key_are_read() -> None:
    raw = base64url(bytes.fromhex(KEY))
    assert vapid.public_key(Settings(vapid_key=SecretStr(KEY))) == vapid.public_key(Settings(vapid_key=SecretStr(raw)))
    assert vapid.public_key(Settings()) is None and WebPush.open(Settings(), Posting(Settings())) is None
    for broken in ("f" * 64, "0" * 64, "short", "!" * 43):
        with pytest.raises(SetupError, match="openssl rand -hex 32"):
            vapid.public_key(Settings(vapid_key=SecretStr(broken)))


GOOD = Subscription("").keys


@pytest.mark.parametrize(
    "keys",
    [
        {"p256dh": ""},
        {"p256dh": POINT},
        {"p256dh": GOOD["p256dh"][:-4]},
        {"p256dh": "*" * 87},
        {"p256dh": "é" * 87},
        {"auth": ""},
        {"auth": base64url(bytes(15))},
        {"auth": "not base64!"},
    ],
)
def test_broken_keys_are_refused(keys: dict[str, str]) -> None:
    vapid.check_browser_keys(GOOD)
    with pytest.raises(Invalid, match="Subscribe again"):
        vapid.check_browser_keys(GOOD | keys)


async def test_the_longest_message_fits(server: Receiver, sender: WebPush) -> None:
    subscription = PushService(server).subscribe()
    data = BODY["data"] | {"status": "failed", "message": "Ä" * 1000, "url": "https://iris.example.com/?job=1"}
    result = await sender.send(device(subscription), {"type": "job.failed", "data": data})
    assert result.delivered and subscription.messages[0]["body"] == "Ä" * 1000
