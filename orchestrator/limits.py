"""Limits that are answered with 429, checked inside the transaction that creates the job or photo.

Redis keys: `irisvue:bytes:{day}`, the bytes that all users together have uploaded on a day (UTC), kept for two days.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from redis.asyncio import Redis

from orchestrator import db, queue
from orchestrator.config import Settings
from orchestrator.db import Session
from orchestrator.errors import TooMany
from orchestrator.observability.logs import log
from orchestrator.progress.events import UNREACHABLE
from orchestrator.services import Services

BUSY_RETRY_S = 15


def unfinished_jobs(settings: Settings) -> tuple[int, int]:
    """How many unfinished jobs one user, and all users together, may have."""
    return settings.user_unfinished_jobs, settings.unfinished_jobs


def too_many_jobs(limit: str, unfinished: int, settings: Settings) -> TooMany:
    """The answer to a request above a limit: of the `user`, of `all` users, or of the models, which are `busy`."""
    if limit == "user":
        allowed = settings.user_unfinished_jobs
        return TooMany(f"You have {unfinished} unfinished jobs; {allowed} are allowed at once.", BUSY_RETRY_S)
    if limit == "all":
        return TooMany("The service is very busy. Please try again in a little while.", BUSY_RETRY_S)
    return TooMany("The service is very busy. Please try again in a few seconds.", queue.MODELS_BUSY_S)


async def models_are_busy(services: Services) -> bool:
    """Whether the models' queue is full; never while Redis is unavailable."""
    try:
        return await queue.models_are_busy(services.redis)
    except UNREACHABLE:
        return False


async def book_upload_bytes(
    services: Services, session: Session, user: UUID, size_bytes: int, tenant: str = ""
) -> None:
    """Count an upload towards the day's limits. Raises TooMany, which rolls the transaction back."""
    settings = services.settings
    await db.users.ensure_user(session, user)
    if await db.limits.add_bytes(session, user, size_bytes) > settings.user_bytes_a_day:
        raise TooMany(f"You can upload up to {settings.user_bytes_a_day // 2**20} MB a day.", until_midnight_s())
    await db.usage.add(session, user, tenant, upload_bytes=size_bytes)
    try:
        if await _add_bytes_of_all(services.redis, size_bytes) > settings.bytes_a_day:
            raise TooMany("The service can't store any more photos today.", until_midnight_s())
    except UNREACHABLE as error:  # a soft limit: uploads are accepted while Redis is unavailable
        log.warning("bytes of all users not counted", error=type(error).__name__)


async def _add_bytes_of_all(redis: Redis, size_bytes: int) -> int:
    """Add an upload to the bytes of the day (UTC); returns the total of all users."""
    key = f"irisvue:bytes:{datetime.now(UTC).date()}"
    async with redis.pipeline(transaction=True) as pipe:
        pipe.incrby(key, size_bytes)
        pipe.expire(key, 2 * 24 * 3600)
        total, _ = await pipe.execute()
    return int(total)


def until_midnight_s() -> int:
    """Seconds until the day (UTC) ends."""
    now = datetime.now(UTC)
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return int((tomorrow - now).total_seconds()) + 1
