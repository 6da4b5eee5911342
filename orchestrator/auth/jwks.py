"""The public keys that tokens are signed with, read from a JWKS address: changed there, changed here within minutes."""

import threading
import time
from collections.abc import Callable
from functools import cache

import jwt
from jwt.exceptions import PyJWKClientConnectionError

from orchestrator.errors import KeysUnavailable, Unauthorized

TRUSTED_S = 300.0  # a key that was taken back is refused after this
ASKED_AGAIN_S = 10.0  # a key that nobody knows is asked for at most so often, whoever makes up new ones
STALE_S = 3600.0  # while the address does not answer, the last keys are good for so long
TIMEOUT_S = 5


class Keys:
    """The keys of one address. Blocks while it asks; not for an event loop."""

    def __init__(self, url: str, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._client = jwt.PyJWKClient(url, cache_keys=False, cache_jwk_set=False, timeout=TIMEOUT_S)
        self._known: dict[str | None, jwt.PyJWK] = {}
        self._read_at = self._asked_at = float("-inf")
        self._lock = threading.Lock()

    def of(self, token: str) -> jwt.PyJWK:
        """The key that the token names.

        Raises:
            Unauthorized: there is no such key. KeysUnavailable: it can't be known now. jwt.PyJWTError: no token.
        """
        name = jwt.get_unverified_header(token).get("kid")
        with self._lock:
            now = self._now()
            old = now - self._read_at > TRUSTED_S
            if (old or self._named(name) is None) and now - self._asked_at > ASKED_AGAIN_S:
                self._ask(now)
            if now - self._read_at > STALE_S:
                raise KeysUnavailable
            found = self._named(name)
        if found is None:
            raise Unauthorized("The token is signed with a key that is not known, or not any more.")
        return found

    def _ask(self, now: float) -> None:
        self._asked_at = now
        try:
            self._known = {key.key_id: key for key in self._client.get_signing_keys(refresh=True)}
        except PyJWKClientConnectionError:
            return
        except jwt.PyJWTError:  # it answers, and there are none
            self._known = {}
        self._read_at = now

    def _named(self, name: str | None) -> jwt.PyJWK | None:
        if name is None and len(self._known) == 1:
            return next(iter(self._known.values()))
        return self._known.get(name)


@cache
def keys_at(url: str) -> Keys:
    """The keys of an address, one set for the whole process."""
    return Keys(url)
