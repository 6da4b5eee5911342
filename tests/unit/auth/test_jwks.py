"""Keys read from a JWKS address: new ones are good at once, old ones until they are withdrawn."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from orchestrator.auth.jwks import FRESH_S, READ_PAUSE_S, STALE_S, Keys
from orchestrator.auth.tokens import make_token, user_of
from orchestrator.config import Settings
from orchestrator.errors import KeysUnavailable, Unauthorized
from tests.receivers import Receiver, receiver


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
        jwks: list[dict[str, Any]] = []
        for name in names:
            public = jwt.algorithms.ECAlgorithm.to_jwk(self.signing[name].public_key(), as_dict=True)
            jwks.append(public | {"kid": name, "use": "sig", "alg": "ES256"})
        body = json.dumps({"keys": jwks}).encode()
        self.server.always = lambda _: (200, {"Content-Type": "application/json"}, body)

    def fail(self) -> None:
        self.server.always = lambda _: (503, {}, b"")

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
