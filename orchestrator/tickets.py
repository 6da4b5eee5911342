"""Short-lived grants in Redis: one-use tickets for streams, places for open streams, and the day's bytes.

Redis keys: `irisvue:ticket:{hash}` (TICKET_S), `irisvue:streams:{user}` (a sorted set of open streams by the time at
which each must have ended), `irisvue:bytes:{day}` (two days), `irisvue:models_busy` (BUSY_S). Losing them costs a
client one more request.
"""

import hashlib
import secrets
import time
from datetime import UTC, datetime
from uuid import UUID

from redis.asyncio import Redis

TICKET_S = 60
BUSY, BUSY_S = "irisvue:models_busy", 5
TAKE_PLACE = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1
"""


def _key(ticket: str) -> str:
    return f"irisvue:ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"


async def issue(redis: Redis, user: UUID, job_id: UUID | None) -> str:
    """A ticket that opens one stream, of this job or (without one) of all of the user's jobs, within TICKET_S."""
    ticket = secrets.token_urlsafe(32)
    await redis.set(_key(ticket), f"{user} {job_id or '*'}", ex=TICKET_S)
    return ticket


async def redeem(redis: Redis, ticket: str, job_id: UUID | None) -> UUID | None:
    """The user of an unused ticket for this stream; the ticket is used up, also by a wrong job."""
    found = await redis.getdel(_key(ticket))
    user, _, bound = (found or b"").decode().partition(" ")
    return UUID(user) if user and bound == str(job_id or "*") else None


async def take_place(redis: Redis, user: UUID, at_most: int, seconds: float) -> str | None:
    """A place for one more open stream of the user, free again by itself after `seconds`; None if there is none."""
    place, now = secrets.token_hex(8), time.time()
    arguments = [str(now), str(now + seconds), str(at_most), place, str(int(seconds) + 60)]
    taken = await redis.eval(TAKE_PLACE, 1, f"irisvue:streams:{user}", *arguments)  # type: ignore[misc]
    return place if taken else None


async def leave_place(redis: Redis, user: UUID, place: str) -> None:
    """Give a place back."""
    await redis.zrem(f"irisvue:streams:{user}", place)


async def say_busy(redis: Redis) -> None:
    """The line before the models is full; holds for BUSY_S."""
    await redis.set(BUSY, 1, ex=BUSY_S)


async def are_busy(redis: Redis) -> bool:
    """Whether a worker has lately found the line before the models full."""
    return bool(await redis.exists(BUSY))


async def add_bytes_of_all(redis: Redis, size_bytes: int) -> int:
    """Book an upload on the day (UTC); returns the sum of everybody's."""
    key = f"irisvue:bytes:{datetime.now(UTC).date()}"
    async with redis.pipeline(transaction=True) as pipe:
        pipe.incrby(key, size_bytes)
        pipe.expire(key, 2 * 24 * 3600)
        total, _ = await pipe.execute()
    return int(total)
