"""The address and the token that a program gives, checked before anything is sent."""

import os
from collections.abc import Callable
from urllib.parse import urlsplit

from irisvue._errors import AuthError, IrisvueError

Token = str | Callable[[], str]
DEFAULT_URL = "http://127.0.0.1:8000"
PRINTS_ONE = "`irisvue token` prints one."


def address_of(url: str | None) -> tuple[str, str]:
    """The address of the server, and where it comes from in words for an error; "" where the program names it.

    Raises IrisvueError for what is no address.
    """
    named = os.environ.get("IRISVUE_URL", "").strip()
    given = (url or named or DEFAULT_URL).strip()
    whence = "" if url else f"IRISVUE_URL is {'its address' if named else 'not set'}; Client(url) names another."
    if not given.lower().startswith(("http://", "https://")):
        raise IrisvueError(f"{given} is no address: it begins with http:// or https://", code="address")
    try:
        parts = urlsplit(given)
        if not parts.hostname or parts.port == 0:
            raise ValueError
    except ValueError:
        raise IrisvueError(f"{given} is no address; {DEFAULT_URL} is one.", code="address") from None
    return given.rstrip("/"), whence


def token_source(token: Token | None) -> Callable[[], str]:
    """What gives the token for each request, from the environment where the program names none.

    It raises AuthError where the token is empty, or has in it what no token has.
    """
    if callable(token):
        given = token
        return lambda: _checked(given(), "What the token function returns", "it must return a token.")
    if token is None:
        named = os.environ.get("IRISVUE_TOKEN", "")
        return lambda: _checked(named, "IRISVUE_TOKEN", PRINTS_ONE)
    return lambda: _checked(token, "The token", PRINTS_ONE)


def _checked(token: object, name: str, mend: str) -> str:
    if not isinstance(token, str):
        raise AuthError(f"{name} is a {type(token).__name__}, not a text; {mend}", code="unauthorized")
    stripped = token.strip()
    if not stripped:
        missing = "not set" if name == "IRISVUE_TOKEN" else "empty"
        raise AuthError(f"{name} is {missing}; {mend}", code="unauthorized")
    strange = next((letter for letter in stripped if not " " <= letter <= "~"), None)
    if strange:
        raise AuthError(f"{name} is no token: it has {strange!r} in it. Copy it again, whole.", code="unauthorized")
    return stripped
