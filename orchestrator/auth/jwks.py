"""The public keys that check tokens, read from a JWKS address: a change there holds here within minutes."""

import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

import jwt

from orchestrator import __version__
from orchestrator.errors import KeysUnavailable, Unauthorized
from orchestrator.observability.logs import log

FRESH_S = 300.0  # after this, keys are read again, so that one that was withdrawn is refused
READ_PAUSE_S = 10.0  # the keys are read no more often than this, however many unknown keys callers make up
STALE_S = 3600.0  # for how long the last keys are used while the address does not answer
TIMEOUT_S = 5
HEADERS = {"User-Agent": f"Irisvue/{__version__}", "Accept": "application/json"}  # firewalls refuse Python's own name


class Keys:
    """The keys of one address. Blocks while it reads them; not for an event loop."""

    def __init__(self, url: str, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._host = urlsplit(url).hostname
        self._client = jwt.PyJWKClient(
            url, cache_keys=False, cache_jwk_set=False, headers=dict(HEADERS), timeout=TIMEOUT_S
        )
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
        """Read the keys. Where that fails, those that were read last stay, and the log says why."""
        self._tried_at = now
        try:
            entries = self._client.fetch_data()["keys"]
            self._known = {key.key_id: key for entry in entries if (key := _usable(entry))}
        except (jwt.PyJWTError, OSError, ValueError, KeyError, TypeError) as error:
            status = error.__cause__.code if isinstance(error.__cause__, HTTPError) else None
            log.error("token keys not read", host=self._host, status=status, error=f"{type(error).__name__}: {error}")
            return
        self._read_at = now

    def _named(self, key_id: str | None) -> jwt.PyJWK | None:
        """The key of this name; a name may be missing on either side where there is only one key."""
        if len(self._known) == 1 and (key_id is None or None in self._known):
            return next(iter(self._known.values()))
        return self._known.get(key_id)


def _usable(entry: dict[str, Any]) -> jwt.PyJWK | None:
    """A published key that may sign tokens; None for those that encrypt, and for kinds of keys that we don't know."""
    try:
        key = jwt.PyJWK.from_dict(entry)
    except (jwt.PyJWTError, AttributeError):
        return None
    return key if key.public_key_use in ("sig", None) else None


@cache
def keys_at(url: str) -> Keys:
    """The keys of an address, one set for the whole process."""
    return Keys(url)
