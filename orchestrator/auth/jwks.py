"""The public keys that check tokens, read from a JWKS address: a change there holds here within minutes."""

import threading
import time
from collections.abc import Callable
from functools import cache

import jwt
from jwt.exceptions import PyJWKClientConnectionError

from orchestrator.errors import KeysUnavailable, Unauthorized

FRESH_S = 300.0  # after this, keys are read again, so that one that was withdrawn is refused
READ_PAUSE_S = 10.0  # the keys are read no more often than this, however many unknown keys callers make up
STALE_S = 3600.0  # for how long the last keys are used while the address does not answer
TIMEOUT_S = 5


class Keys:
    """The keys of one address. Blocks while it reads them; not for an event loop."""

    def __init__(self, url: str, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._client = jwt.PyJWKClient(url, cache_keys=False, cache_jwk_set=False, timeout=TIMEOUT_S)
        self._known: dict[str | None, jwt.PyJWK] = {}
        self._read_at = self._tried_at = float("-inf")
        self._lock = threading.Lock()

    def of(self, token: str) -> jwt.PyJWK:
        """The key that signed the token.

        Raises:
            Unauthorized: there is no such key. KeysUnavailable: the keys can't be read now. PyJWTError: not a token.
        """
        key_id = jwt.get_unverified_header(token).get("kid")
        with self._lock:
            now = self._now()
            outdated = now - self._read_at > FRESH_S
            if (outdated or self._named(key_id) is None) and now - self._tried_at > READ_PAUSE_S:
                self._read(now)
            if now - self._read_at > STALE_S:
                raise KeysUnavailable
            key = self._named(key_id)
        if key is None:
            raise Unauthorized("The token is signed with a key that is unknown, or no longer in use.")
        return key

    def _read(self, now: float) -> None:
        self._tried_at = now
        try:
            self._known = {key.key_id: key for key in self._client.get_signing_keys(refresh=True)}
        except PyJWKClientConnectionError:
            return
        except jwt.PyJWTError:  # it answers, but with no keys
            self._known = {}
        self._read_at = now

    def _named(self, key_id: str | None) -> jwt.PyJWK | None:
        if key_id is None and len(self._known) == 1:
            return next(iter(self._known.values()))
        return self._known.get(key_id)


@cache
def keys_at(url: str) -> Keys:
    """The keys of an address, one set for the whole process."""
    return Keys(url)
