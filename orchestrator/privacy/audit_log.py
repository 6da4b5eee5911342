"""The audit log: who opened what of a user. An entry is made wherever a picture, or a way to one, is handed out."""

import asyncio
from uuid import UUID

from orchestrator import db
from orchestrator.observability.logs import log
from orchestrator.services import Services

NOTE_S = 2.0
BY_LINK = "link"
ALL = "*"
_pending: set[asyncio.Task[bool]] = set()  # writes that go on in the background: cancelling one costs its connection


async def record(
    services: Services,
    user: UUID,
    action: str,
    what: UUID | str = ALL,
    by: UUID | str = "",
    note_s: float = NOTE_S,
) -> None:
    """Record that `by` (by default the user) has opened something of the user.

    The caller waits at most `note_s` seconds for the database. If the entry is not written by then, a log line with the
    same facts takes its place.
    """
    actor = str(by or user)
    writing = asyncio.create_task(_write(services, user, actor, action, str(what)))
    done, _ = await asyncio.wait({writing}, timeout=note_s)
    if not done:
        _pending.add(writing)
        writing.add_done_callback(_pending.discard)
    if not done or not writing.result():
        log.warning("audit entry not written", user_id=str(user), actor=actor, action=action, object=str(what))


async def _write(services: Services, user: UUID, actor: str, action: str, what: str) -> bool:
    """Whether the entry is in the database."""
    try:
        async with services.db.begin() as session:
            await db.audit_log.record_access(session, user, actor, action, what)
    except db.UNAVAILABLE:
        return False
    return True
