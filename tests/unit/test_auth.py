"""Tokens: good ones name their user, all others are refused."""

from datetime import timedelta
from uuid import uuid4

import jwt
import pytest

from orchestrator.auth import make_token, user_of
from orchestrator.config import Settings
from orchestrator.errors import SetupError, Unauthorized

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
