"""Tokens: a good one names its user, every other one is refused."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import jwt
import pytest

from orchestrator.auth.tokens import make_token, user_of
from orchestrator.config import Settings
from orchestrator.errors import SetupError, Unauthorized, WrongRegion

SECRET = "s" * 40
SETTINGS = Settings.model_validate({"jwt_secret": SECRET})
FAR_FUTURE = 9_999_999_999


def test_names_the_user() -> None:
    user = uuid4()
    assert user_of(make_token(user, SECRET), SETTINGS) == user


@pytest.mark.parametrize(
    "token",
    [
        "",
        "not.a.token",
        make_token(uuid4(), "x" * 40),
        make_token(uuid4(), SECRET, timedelta(seconds=-10)),
        jwt.encode({"sub": str(uuid4()), "exp": FAR_FUTURE}, "", algorithm="none"),
        jwt.encode({"sub": str(uuid4())}, SECRET, algorithm="HS256"),
        jwt.encode({"exp": FAR_FUTURE}, SECRET, algorithm="HS256"),
        jwt.encode({"sub": "not-a-uuid", "exp": FAR_FUTURE}, SECRET, algorithm="HS256"),
        jwt.encode({"sub": str(uuid4()), "exp": FAR_FUTURE}, SECRET * 2, algorithm="HS512"),
    ],
)
def test_refused(token: str) -> None:
    with pytest.raises(Unauthorized):
        user_of(token, SETTINGS)


@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
def test_clocks_may_be_a_little_apart(claim: str) -> None:
    """A phone's sign-in service may be ahead of us, or behind."""
    now = datetime.now(UTC).timestamp()
    ahead = -1 if claim == "exp" else 1
    user = uuid4()

    def token(seconds: float) -> str:
        claims = {"sub": str(user), "exp": FAR_FUTURE} | {claim: int(now + ahead * seconds)}
        return jwt.encode(claims, SECRET, algorithm="HS256")

    assert user_of(token(5), SETTINGS) == user
    with pytest.raises(Unauthorized, match="has expired" if claim == "exp" else "not valid yet"):
        user_of(token(60), SETTINGS)
    exact, generous = (SETTINGS.model_copy(update={"token_leeway_s": seconds}) for seconds in (0.0, 120.0))
    with pytest.raises(Unauthorized):
        user_of(token(5), exact)
    assert user_of(token(60), generous) == user


def test_audience_and_issuer_when_configured() -> None:
    settings = Settings.model_validate({"jwt_secret": SECRET, "jwt_audience": "app", "jwt_issuer": "us"})
    user = uuid4()
    claims = {"sub": str(user), "exp": FAR_FUTURE, "aud": "app", "iss": "us"}
    assert user_of(jwt.encode(claims, SECRET), settings) == user
    for wrong in ({"aud": "other"}, {"iss": "them"}):
        with pytest.raises(Unauthorized):
            user_of(jwt.encode(claims | wrong, SECRET), settings)


def test_a_service_without_any_key_is_set_up_wrongly() -> None:
    with pytest.raises(SetupError, match="IRISVUE_JWT_SECRET"):
        user_of(make_token(uuid4(), SECRET), Settings.model_validate({"jwt_secret": None, "jwks_url": None}))


@pytest.mark.parametrize("region", ["us", "mars"])
def test_a_token_of_another_region_is_sent_there(region: str) -> None:
    europe = {"jwt_secret": SECRET, "region": "eu", "regions": {"us": "https://us.example.com"}}
    settings, claims = Settings.model_validate(europe), {"sub": str(uuid4()), "exp": FAR_FUTURE}
    assert user_of(jwt.encode(claims, SECRET), settings), "a token without the claim belongs to this region"
    assert user_of(jwt.encode(claims | {"region": "eu"}, SECRET), settings)
    with pytest.raises(WrongRegion, match="Call https://us.example.com" if region == "us" else "another region"):
        user_of(jwt.encode(claims | {"region": region}, SECRET), settings)
    with pytest.raises(Unauthorized):
        user_of(jwt.encode(claims | {"region": region}, "x" * 40), settings)
