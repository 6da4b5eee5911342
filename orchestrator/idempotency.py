"""Idempotency keys: the same key and request give the first answer again."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from orchestrator import db
from orchestrator.db import Session
from orchestrator.errors import Conflict


@dataclass(frozen=True)
class IdempotencyKey:
    """An Idempotency-Key with a digest of what was asked under it."""

    key: str
    fingerprint: str


def key_for(key: str | None, call: str, asked: Any) -> IdempotencyKey | None:
    """The caller's key for this call; None where none was sent. `asked` is bytes or JSON."""
    if key is None:
        return None
    data = asked if isinstance(asked, bytes) else json.dumps(asked, sort_keys=True, default=str).encode()
    return IdempotencyKey(key, hashlib.sha256(call.encode() + b"\n" + data).hexdigest())


async def earlier_result(
    session: Session, user: UUID, asked: IdempotencyKey | None, take: bool = True
) -> list[UUID] | None:
    """What an earlier request with this key made; None if there was none (and with `take` the key is now ours).

    Raises:
        Conflict: the key was used for something else.
    """
    if asked is None:
        return None
    if take:
        first = await db.idempotency.take_key(session, user, asked.key, asked.fingerprint)
    else:
        first = await db.idempotency.look_up(session, user, asked.key)
    if first is None:
        return None
    if first.fingerprint != asked.fingerprint:
        raise Conflict("This Idempotency-Key was used for another request. Use a new key for a new request.")
    return [UUID(i) for i in first.made]


async def remember(session: Session, user: UUID, asked: IdempotencyKey | None, made: Sequence[UUID]) -> None:
    """Write down what the key's first request made."""
    if asked:
        await db.idempotency.remember(session, user, asked.key, made)
