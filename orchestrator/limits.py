"""Limits that are answered 429, and idempotency keys. Both are checked inside the transaction that creates."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator import store, tickets
from orchestrator.config import Settings
from orchestrator.errors import Conflict, TooMany
from orchestrator.progress import UNREACHABLE
from orchestrator.services import Services
from orchestrator.telemetry import log

BUSY_RETRY_S = 15


@dataclass(frozen=True)
class Once:
    """An Idempotency-Key with a digest of what was asked under it."""

    key: str
    fingerprint: str


def once(key: str | None, call: str, asked: Any) -> Once | None:
    """The caller's key for this call; None where none was sent. `asked` is bytes or JSON."""
    if key is None:
        return None
    data = asked if isinstance(asked, bytes) else json.dumps(asked, sort_keys=True, default=str).encode()
    return Once(key, hashlib.sha256(call.encode() + b"\n" + data).hexdigest())


async def made_before(db: AsyncSession, user: UUID, asked: Once | None, take: bool = True) -> list[UUID] | None:
    """What an earlier request with this key made; None if there was none (and with `take` the key is now ours).

    Raises:
        Conflict: the key was used for something else.
    """
    if asked is None:
        return None
    if take:
        first = await store.first_answer(db, user, asked.key, asked.fingerprint)
    else:
        first = await store.seen_answer(db, user, asked.key)
    if first is None:
        return None
    if first.fingerprint != asked.fingerprint:
        raise Conflict("This Idempotency-Key was used for another request. Use a new key for a new request.")
    return [UUID(i) for i in first.made]


async def remember(db: AsyncSession, user: UUID, asked: Once | None, made: Sequence[UUID]) -> None:
    """Write down what the key's first request made."""
    if asked:
        await store.remember(db, user, asked.key, made)


async def room_for_jobs(db: AsyncSession, settings: Settings, user: UUID, wanted: int) -> None:
    """Hold the user's row and make sure that so many more jobs are allowed. Raises TooMany."""
    await store.lock_user(db, user)
    mine = await store.unfinished(db, user, settings.user_unfinished_jobs)
    if mine + wanted > settings.user_unfinished_jobs:
        raise TooMany(
            f"You have {mine} unfinished jobs; {settings.user_unfinished_jobs} are allowed at once.", BUSY_RETRY_S
        )
    if await store.unfinished(db, None, settings.unfinished_jobs) + wanted > settings.unfinished_jobs:
        raise TooMany("The service is very busy. Please try again in a little while.", BUSY_RETRY_S)


async def room_at_the_models(services: Services) -> None:
    """Take no more work while the line before the models is full. Raises TooMany; not while Redis is away."""
    try:
        busy = await tickets.are_busy(services.redis)
    except UNREACHABLE:
        return
    if busy:
        raise TooMany("The service is very busy. Please try again in a few seconds.", tickets.BUSY_S)


def until_midnight_s() -> int:
    """Seconds until the day (UTC) ends."""
    now = datetime.now(UTC)
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((tomorrow - now).total_seconds()) + 1


async def book_bytes(services: Services, db: AsyncSession, user: UUID, size_bytes: int) -> None:
    """Count an upload against the day's limits. Raises TooMany; the transaction is then rolled back."""
    settings = services.settings
    await store.ensure_user(db, user)
    if await store.add_bytes(db, user, size_bytes) > settings.user_bytes_a_day:
        raise TooMany(f"More than {settings.user_bytes_a_day // 2**20} MB in one day.", until_midnight_s())
    try:
        if await tickets.add_bytes_of_all(services.redis, size_bytes) > settings.bytes_a_day:
            raise TooMany("The service has taken all it can store today.", until_midnight_s())
    except UNREACHABLE as error:  # a soft limit: uploads go on while Redis is away
        log.warning("bytes of all not counted", error=type(error).__name__)
