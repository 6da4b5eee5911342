"""Idempotency keys: repeating a request with the same key returns what the first one created."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from orchestrator import db
from orchestrator.db import Session
from orchestrator.errors import Conflict

KEY_USED = "This Idempotency-Key was used for another request. Use a new key for a new request."
RESULT_DELETED = "What this Idempotency-Key created has been deleted."


@dataclass(frozen=True)
class IdempotencyKey:
    """The key that a caller sent, with a digest of the request."""

    key: str
    fingerprint: str


def key_for(key: str | None, call: str, request: Any) -> IdempotencyKey | None:
    """The caller's key for this call, or None if there is none. `request` is bytes, or a value for JSON."""
    if key is None:
        return None
    data = request if isinstance(request, bytes) else json.dumps(request, sort_keys=True, default=str).encode()
    return IdempotencyKey(key, hashlib.sha256(call.encode() + b"\n" + data).hexdigest())


async def earlier_result(
    session: Session, user: UUID, key: IdempotencyKey | None, take: bool = True
) -> list[UUID] | None:
    """The ids of what an earlier request with this key created; None for a new key, which `take` takes.

    Raises:
        Conflict: the key was used for another request.
    """
    if key is None:
        return None
    if take:
        record = await db.idempotency.take_key(session, user, key.key, key.fingerprint)
    else:
        record = await db.idempotency.look_up(session, user, key.key)
    if record is None:
        return None
    if record.fingerprint != key.fingerprint:
        raise Conflict(KEY_USED)
    return [UUID(i) for i in record.made]


async def remember(session: Session, user: UUID, key: IdempotencyKey | None, ids: Sequence[UUID]) -> None:
    """Record the ids of what the first request with this key created."""
    if key:
        await db.idempotency.remember(session, user, key.key, ids)
