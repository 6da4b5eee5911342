"""Who opened what of whom: noted where a picture, or a way to one, is handed out."""

import asyncio
from uuid import UUID

from orchestrator import db
from orchestrator.observability.logs import log
from orchestrator.services import Services

NOTE_S = 2.0
BY_LINK = "link"
ALL = "*"
_late: set[asyncio.Task[bool]] = set()  # still being written; a cancelled statement would cost its connection


async def record(services: Services, user: UUID, action: str, what: UUID | str = ALL, by: UUID | str = "") -> None:
    """Note that `by` (the user, if nobody is named) has opened something of the user; where that fails, log it.

    What is opened is not held back for longer than NOTE_S while the database is away: the log line is the trail then.
    """
    actor = str(by or user)
    noting = asyncio.create_task(_note(services, user, actor, action, str(what)))
    done, _ = await asyncio.wait({noting}, timeout=NOTE_S)
    if not done:
        _late.add(noting)
        noting.add_done_callback(_late.discard)
    if not done or not noting.result():
        log.warning("opened", user_id=str(user), actor=actor, action=action, object=str(what))


async def _note(services: Services, user: UUID, actor: str, action: str, what: str) -> bool:
    try:
        async with services.db.begin() as session:
            await db.audit_log.record_access(session, user, actor, action, what)
    except db.UNAVAILABLE:
        return False
    return True
