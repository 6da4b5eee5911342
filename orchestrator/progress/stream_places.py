"""How many progress streams a user has open.

Redis keys: `irisvue:streams:{user}`, a sorted set of open streams by the time at which each has ended at the latest. It
expires a minute after the last of these times.
"""

import secrets
import time
from uuid import UUID

from redis.asyncio import Redis

TAKE_PLACE = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[4])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1
"""


async def take_place(redis: Redis, user: UUID, limit: int, seconds: float) -> str | None:
    """Take a place for one more open stream of the user, for `seconds` at most; None where `limit` places are taken."""
    place, now = secrets.token_hex(8), time.time()
    arguments = [str(now), str(now + seconds), str(limit), place, str(int(seconds) + 60)]
    taken = await redis.eval(TAKE_PLACE, 1, f"irisvue:streams:{user}", *arguments)  # type: ignore[misc]
    return place if taken else None


async def leave_place(redis: Redis, user: UUID, place: str) -> None:
    """Give a place back."""
    await redis.zrem(f"irisvue:streams:{user}", place)
