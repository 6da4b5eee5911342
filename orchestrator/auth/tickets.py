"""Tickets that open a stream, for clients that can't send headers.

Redis keys: `irisvue:ticket:{hash}` (expires after TICKET_S; once it has opened its stream, after the stream's time).
Losing one costs a client one more request.
"""

import hashlib
import secrets
from uuid import UUID

from redis.asyncio import Redis

TICKET_S = 60  # within which a ticket must open its stream, and which it outlives the stream by

# The first use begins the stream's time; those that follow are reconnects and do not extend it.
REDEEM = """
local value = redis.call('GET', KEYS[1])
if not value then return false end
local user, stream, used = string.match(value, '^(%S+) (%S+)(.*)$')
if stream ~= ARGV[1] then return false end
if used == '' then redis.call('SET', KEYS[1], value .. ' used', 'EX', ARGV[2]) end
return user
"""


def _key(ticket: str) -> str:
    return f"irisvue:ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"


async def issue(redis: Redis, user: UUID, job_id: UUID | None) -> str:
    """Make a ticket for the stream of this job or, without one, of all of the user's jobs. It is good for TICKET_S."""
    ticket = secrets.token_urlsafe(32)
    await redis.set(_key(ticket), f"{user} {job_id or '*'}", ex=TICKET_S)
    return ticket


async def redeem(redis: Redis, ticket: str, job_id: UUID | None, stream_seconds: float) -> UUID | None:
    """The user of a ticket for this stream; None otherwise.

    A browser's EventSource reconnects with the address that it has: the ticket stays good for this stream as long as a
    stream may be open, and for the reconnect after that.
    """
    arguments = [str(job_id or "*"), str(int(stream_seconds) + TICKET_S)]
    user: bytes | None = await redis.eval(REDEEM, 1, _key(ticket), *arguments)  # type: ignore[misc]
    return UUID(user.decode()) if user else None
