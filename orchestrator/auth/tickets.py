"""One-use tickets that open a stream, for clients that can't send headers.

Redis keys: `irisvue:ticket:{hash}` (expires after TICKET_S). Losing one costs a client one more request.
"""

import hashlib
import secrets
from uuid import UUID

from redis.asyncio import Redis

TICKET_S = 60


def _key(ticket: str) -> str:
    return f"irisvue:ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"


async def issue(redis: Redis, user: UUID, job_id: UUID | None) -> str:
    """Make a ticket for the stream of this job or, without one, of all of the user's jobs. It is good for TICKET_S."""
    ticket = secrets.token_urlsafe(32)
    await redis.set(_key(ticket), f"{user} {job_id or '*'}", ex=TICKET_S)
    return ticket


async def redeem(redis: Redis, ticket: str, job_id: UUID | None) -> UUID | None:
    """The user of an unused ticket for this stream; None otherwise. Even the wrong stream uses a ticket up."""
    value = await redis.getdel(_key(ticket))
    user, _, stream = (value or b"").decode().partition(" ")
    return UUID(user) if user and stream == str(job_id or "*") else None
