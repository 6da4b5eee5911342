"""Keys read from a JWKS address: new ones are good at once, old ones until they are withdrawn."""

import base64
import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from orchestrator.auth.jwks import FRESH_S, READ_PAUSE_S, STALE_S, Keys
from orchestrator.auth.tokens import make_token, user_of
from orchestrator.config import Settings
from orchestrator.errors import KeysUnavailable, Unauthorized
from tests.receivers import Answer, Received, Receiver, receiver

SECRET = b"s" * 40


class Issuer:
    """An identity service that signs with any of its keys and publishes some, and our keys read from it.

    `now_s` is the clock that our keys see.
    """

    def __init__(self, server: Receiver) -> None:
        self.server = server
        self.now_s = 0.0
        self.signing = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("old", "new")}
        self.settings = Settings.model_validate({"jwks_url": server.url + "/jwks.json"})
        self.keys = Keys(server.url + "/jwks.json", now=lambda: self.now_s)
        self.publish("old")

    def publish(self, *names: str) -> None:
        self.publish_keys([self.public(name) for name in names])

    def publish_keys(self, jwks: list[Any]) -> None:
        body = json.dumps({"keys": jwks}).encode()
        self.server.always = lambda _: (200, {"Content-Type": "application/json"}, body)

    def public(self, name: str, **changes: Any) -> dict[str, Any]:
        """A key as it is published; a change to None leaves that field out."""
        public = jwt.algorithms.ECAlgorithm.to_jwk(self.signing[name].public_key(), as_dict=True)
        entry = public | {"kid": name, "use": "sig", "alg": "ES256"} | changes
        return {field: value for field, value in entry.items() if value is not None}

    def fail(self, status: int = 503, body: bytes = b"") -> None:
        self.server.always = lambda _: (status, {}, body)

    def token(self, name: str | None, signed_by: str = "") -> str:
        claims = {"sub": str(uuid4()), "exp": 9_999_999_999}
        headers = {"kid": name} if name else None
        return jwt.encode(claims, self.signing[signed_by or name or "old"], algorithm="ES256", headers=headers)

    def check(self, token: str) -> None:
        user_of(token, self.settings, self.keys)

    def accepts(self, name: str | None) -> bool:
        try:
            self.check(self.token(name))
        except Unauthorized:
            return False
        return True


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with receiver() as server:
        yield Issuer(server)


def test_a_new_key_is_good_at_once_and_the_old_one_until_it_is_withdrawn(issuer: Issuer) -> None:
    assert issuer.accepts("old") and issuer.accepts("old") and issuer.accepts(None)
    assert len(issuer.server.received) == 1, "asked once"
    issuer.publish("old", "new")
    issuer.now_s += READ_PAUSE_S + 1
    assert issuer.accepts("new") and issuer.accepts("old")
    issuer.publish("new")
    issuer.now_s += READ_PAUSE_S + 1
    assert issuer.accepts("old"), "until the keys are read again"
    issuer.now_s += FRESH_S
    assert not issuer.accepts("old") and issuer.accepts("new")
    issuer.publish()
    issuer.now_s += FRESH_S + 1
    assert not issuer.accepts("new"), "all keys are withdrawn"


def test_the_name_of_a_key_is_not_enough(issuer: Issuer) -> None:
    issuer.publish("old", "new")
    with pytest.raises(Unauthorized):
        issuer.check(issuer.token("old", signed_by="new"))
    with pytest.raises(Unauthorized):
        issuer.check(make_token(uuid4(), "s" * 40))  # HS256, and the address publishes no such key


def test_invented_key_names_do_not_flood_the_issuer(issuer: Issuer) -> None:
    for number in range(20):
        with pytest.raises(Unauthorized, match="unknown"):
            issuer.check(issuer.token(f"invented-{number}", signed_by="old"))
    assert len(issuer.server.received) == 1
    issuer.now_s += READ_PAUSE_S + 1
    assert not issuer.accepts("new")
    assert len(issuer.server.received) == 2


def test_the_last_keys_are_good_for_a_while_when_the_issuer_is_unavailable(issuer: Issuer) -> None:
    assert issuer.accepts("old")
    issuer.fail()
    issuer.now_s += FRESH_S + 1
    assert issuer.accepts("old")
    issuer.now_s += STALE_S
    with pytest.raises(KeysUnavailable):
        issuer.accepts("old")
    issuer.publish("old")
    issuer.now_s += READ_PAUSE_S + 1
    assert issuer.accepts("old")


def test_we_give_our_own_name_and_log_what_the_issuer_answers(issuer: Issuer) -> None:
    """A firewall in front of an issuer may refuse `Python-urllib`; whoever operates this sees the status."""

    def firewall(request: Received) -> Answer:
        return (403, {}, b"") if "python" in request.headers["user-agent"].lower() else keys(request)

    keys = issuer.server.always
    issuer.server.always = firewall
    assert issuer.accepts("old")
    assert issuer.server.received[0].headers["user-agent"].startswith("Irisvue/")
    issuer.fail(403)
    issuer.now_s += FRESH_S + 1
    with capture_logs() as logs:
        assert issuer.accepts("old"), "the last keys"
    [line] = logs
    assert (line["event"], line["status"], line["host"]) == ("token keys not read", 403, "127.0.0.1")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b"<html>Sign in to this network</html>"),
        (200, b"[]"),
        (200, b"{}"),
        (200, b"\xff"),
        (302, b""),
        (404, b""),
    ],
)
def test_an_answer_that_is_no_set_of_keys_withdraws_none(issuer: Issuer, status: int, body: bytes) -> None:
    with capture_logs() as logs:
        issuer.fail(status, body)
        with pytest.raises(KeysUnavailable):
            issuer.accepts("old")
        issuer.publish("old")
        issuer.now_s += READ_PAUSE_S + 1
        assert issuer.accepts("old")
        issuer.fail(status, body)
        issuer.now_s += FRESH_S + 1
        assert issuer.accepts("old")
    assert [line["event"] for line in logs] == ["token keys not read"] * 2


def test_keys_of_other_kinds_do_not_spoil_the_rest(issuer: Issuer) -> None:
    others: list[Any] = [
        {"kty": "AKP", "kid": "after-quantum", "alg": "ML-DSA-65", "pub": "AA"},
        {"kty": "EC", "crv": "P-999", "kid": "odd curve", "x": "AA", "y": "AA"},
        {"kty": "oct", "kid": "secret", "k": base64.urlsafe_b64encode(SECRET).decode().rstrip("=")},
        {"kid": "nothing else"},
        "no key",
        issuer.public("new", use="enc"),
    ]
    issuer.publish_keys([*others, issuer.public("old", alg=None, use=None)])
    assert issuer.accepts("old") and not issuer.accepts("new")
    claims = {"sub": str(uuid4()), "exp": 9_999_999_999}
    with pytest.raises(Unauthorized):
        issuer.check(jwt.encode(claims, SECRET, algorithm="HS256", headers={"kid": "secret"}))


def test_a_single_key_needs_no_name(issuer: Issuer) -> None:
    issuer.publish_keys([issuer.public("old", kid=None)])
    assert issuer.accepts(None) and issuer.accepts("old") and not issuer.accepts("new")
