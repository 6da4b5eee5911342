"""Tokens: good ones name their user, all others are refused."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from orchestrator.auth import jwks
from orchestrator.auth.tokens import make_token, user_of
from orchestrator.config import Settings
from orchestrator.errors import KeysUnavailable, SetupError, Unauthorized, WrongRegion
from tests.receivers import Receiver, receiver

SECRET = "s" * 40
CONFIG = Settings.model_validate({"jwt_secret": SECRET})


def test_names_the_user() -> None:
    user = uuid4()
    assert user_of(make_token(user, SECRET), CONFIG) == user


@pytest.mark.parametrize(
    "token",
    [
        "",
        "not.a.token",
        make_token(uuid4(), "x" * 40),
        make_token(uuid4(), SECRET, timedelta(seconds=-10)),
        jwt.encode({"sub": str(uuid4()), "exp": 9_999_999_999}, "", algorithm="none"),
        jwt.encode({"sub": str(uuid4())}, SECRET, algorithm="HS256"),
        jwt.encode({"exp": 9_999_999_999}, SECRET, algorithm="HS256"),
        jwt.encode({"sub": "somebody", "exp": 9_999_999_999}, SECRET, algorithm="HS256"),
        jwt.encode({"sub": str(uuid4()), "exp": 9_999_999_999}, SECRET * 2, algorithm="HS512"),
    ],
)
def test_refused(token: str) -> None:
    with pytest.raises(Unauthorized):
        user_of(token, CONFIG)


def test_audience_and_issuer_when_configured() -> None:
    config = Settings.model_validate({"jwt_secret": SECRET, "jwt_audience": "app", "jwt_issuer": "us"})
    user = uuid4()
    claims = {"sub": str(user), "exp": 9_999_999_999, "aud": "app", "iss": "us"}
    assert user_of(jwt.encode(claims, SECRET), config) == user
    for wrong in ({"aud": "other"}, {"iss": "them"}):
        with pytest.raises(Unauthorized):
            user_of(jwt.encode(claims | wrong, SECRET), config)


def test_no_key_at_all_is_a_fault_of_the_setup() -> None:
    with pytest.raises(SetupError, match="IRISVUE_JWT_SECRET"):
        user_of(make_token(uuid4(), SECRET), Settings.model_validate({"jwt_secret": None, "jwks_url": None}))


@pytest.mark.parametrize("region", ["us", "mars"])
def test_a_token_of_another_region_is_sent_there(region: str) -> None:
    here = {"jwt_secret": SECRET, "region": "eu", "regions": {"us": "https://us.example.com"}}
    config, claims = Settings.model_validate(here), {"sub": str(uuid4()), "exp": 9_999_999_999}
    assert user_of(jwt.encode(claims, SECRET), config), "a token without the claim is of here"
    assert user_of(jwt.encode(claims | {"region": "eu"}, SECRET), config)
    with pytest.raises(WrongRegion, match="Call https://us.example.com" if region == "us" else "another region"):
        user_of(jwt.encode(claims | {"region": region}, SECRET), config)
    with pytest.raises(Unauthorized):
        user_of(jwt.encode(claims | {"region": region}, "x" * 40), config)


class Issuer:
    """An identity service: signs with any of its keys, shows the public ones."""

    def __init__(self, server: Receiver) -> None:
        self.server = server
        self.keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("old", "new")}
        self.config = Settings.model_validate({"jwks_url": server.url + "/jwks.json"})
        self.show("old")

    def show(self, *names: str) -> None:
        found: list[dict[str, Any]] = []
        for name in names:
            shown = jwt.algorithms.ECAlgorithm.to_jwk(self.keys[name].public_key(), as_dict=True)
            found.append(shown | {"kid": name, "use": "sig", "alg": "ES256"})
        self.server.always = lambda _: (200, {"Content-Type": "application/json"}, json.dumps({"keys": found}).encode())

    def fail(self) -> None:
        self.server.always = lambda _: (503, {}, b"")

    def token(self, name: str | None, signed_by: str = "") -> str:
        claims = {"sub": str(uuid4()), "exp": 9_999_999_999}
        headers = {"kid": name} if name else None
        return jwt.encode(claims, self.keys[signed_by or name or "old"], algorithm="ES256", headers=headers)

    def lets_in(self, name: str | None) -> bool:
        try:
            return bool(user_of(self.token(name), self.config))
        except Unauthorized:
            return False


@pytest.fixture
def issuer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    monkeypatch.setattr(jwks, "READ_PAUSE_S", 0.0)
    with receiver() as server:
        yield Issuer(server)
    jwks.keys_at.cache_clear()


def test_a_new_key_is_good_at_once_and_the_old_one_while_it_is_shown(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert issuer.lets_in("old") and issuer.lets_in("old") and issuer.lets_in(None)
    assert len(issuer.server.received) == 1, "asked once"
    issuer.show("old", "new")
    assert issuer.lets_in("new") and issuer.lets_in("old")
    issuer.show("new")
    assert issuer.lets_in("old"), "until it is looked at again"
    monkeypatch.setattr(jwks, "FRESH_S", 0.0)
    assert not issuer.lets_in("old") and issuer.lets_in("new")
    issuer.show()
    assert not issuer.lets_in("new"), "all taken back"


def test_a_name_does_not_make_a_key(issuer: Issuer) -> None:
    issuer.show("old", "new")
    with pytest.raises(Unauthorized):
        user_of(issuer.token("old", signed_by="new"), issuer.config)
    with pytest.raises(Unauthorized):
        user_of(make_token(uuid4(), SECRET), issuer.config)  # HS256, with no key of this kind


def test_made_up_keys_do_not_flood_the_issuer(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jwks, "READ_PAUSE_S", 60.0)
    for number in range(20):
        with pytest.raises(Unauthorized, match="unknown"):
            user_of(issuer.token(f"made-up-{number}", signed_by="old"), issuer.config)
    assert len(issuer.server.received) == 1


def test_an_issuer_that_is_away_locks_nobody_out_at_once(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert issuer.lets_in("old")
    issuer.fail()
    monkeypatch.setattr(jwks, "FRESH_S", 0.0)
    assert issuer.lets_in("old")
    monkeypatch.setattr(jwks, "STALE_S", 0.0)
    with pytest.raises(KeysUnavailable):
        issuer.lets_in("old")
    issuer.show("old")
    monkeypatch.setattr(jwks, "STALE_S", 60.0)
    assert issuer.lets_in("old")
