"""Shares: links to a result that anyone may open, until they expire or are revoked."""

import re
import secrets
from uuid import UUID

from orchestrator import db, idempotency
from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Job, Share
from orchestrator.errors import Conflict, NotFound
from orchestrator.idempotency import IdempotencyKey
from orchestrator.services import Services

TOKEN_BYTES = 24  # too many to guess
TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")
MAX_SHARES = 20  # of one job at once


async def share(
    services: Services, user: UUID, job_id: UUID, lifetime_s: float, key: IdempotencyKey | None = None
) -> Share:
    """Share the result of the user's job.

    Raises:
        NotFound: no such job. Conflict: it has no result, or too many shares; or see `idempotency.earlier_result`.
    """
    async with services.db.begin() as session:
        job = await db.jobs.job_of(session, user, job_id)
        if job is None:
            raise NotFound
        if (ids := await idempotency.earlier_result(session, user, key)) is not None:
            if earlier := await db.shares.shares_by_id(session, user, ids):
                return earlier[0]
            raise NotFound(idempotency.RESULT_DELETED)
        if job.status != JobStatus.COMPLETED:
            raise Conflict("This job has no result to share.")
        await db.users.lock_user(session, user)
        if len(await db.shares.shares_of(session, user, job_id)) >= MAX_SHARES:
            raise Conflict(f"This job has {MAX_SHARES} shares already; revoke one first.")
        token = secrets.token_urlsafe(TOKEN_BYTES)
        added = await db.shares.add_share(session, user, job_id, token, lifetime_s)
        await idempotency.remember(session, user, key, [added.id])
        return added


async def shared_job(services: Services, token: str) -> Job:
    """The job whose result may be seen with this token. Raises NotFound, whatever the reason."""
    if not TOKEN.fullmatch(token):
        raise NotFound
    async with services.db() as session:
        job = await db.shares.shared_job(session, token)
    if job is None or job.result_key is None:
        raise NotFound
    return job
