"""Jobs come in by one function of the database, `submit_jobs`, in one round trip: limits, photos, idempotency, rows."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import BigInteger, String, text
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.tables import Job

_CALL = text(
    "SELECT refusal, counted, (job).* FROM submit_jobs(:user, CAST(:jobs AS jsonb), CAST(:of_user AS integer), "
    "CAST(:of_all AS integer), :busy, CAST(:key AS text), CAST(:fingerprint AS text))"
).columns(refusal=String, counted=BigInteger, **{column.name: column.type for column in Job.__table__.columns})


@dataclass(frozen=True)
class Submitted:
    """The jobs, in the order of their photos, or why there are none.

    `refusal`: `key` (used for another request), `busy`, `user` (that many jobs of the user have not ended), `all`,
    `photo ID` (there is none); `earlier` is no refusal: the key's first request made these, None for a deleted one.
    """

    refusal: str | None
    counted: int
    jobs: list[Job | None]

    @property
    def accepted(self) -> list[Job]:
        """Those that are there."""
        return [job for job in self.jobs if job is not None]


async def add_jobs(
    session: AsyncSession,
    user: UUID,
    photo_ids: Sequence[UUID],
    priority: str,
    preview: bool = False,
    trace: str | None = None,
    at: tuple[float, float] | None = None,
    detail: str | None = None,
    eyes: str | None = None,
    *,
    busy: bool = False,
    most: tuple[int, int] | None = None,
    key: tuple[str, str] | None = None,
    tenant: str = "",
) -> Submitted:
    """Add one pending job for each of the user's photos, in this order: all, or none.

    `busy` refuses whatever is new; `most` are the unfinished jobs that a user and all users together may have, the
    user's counted exactly; `key` is an idempotency key with its fingerprint. The caller commits.
    """
    at_x, at_y = at or (None, None)
    common = {"user_id": user, "priority": priority, "preview": preview, "trace": trace}
    common |= {"at_x": at_x, "at_y": at_y, "detail": detail, "eyes": eyes, "tenant": tenant}
    rows = [_defaults() | common | {"id": uuid4(), "photo_id": photo_id} for photo_id in photo_ids]
    of_user, of_all = most or (None, None)
    name, fingerprint = key or (None, None)
    values = {"user": user, "jobs": json.dumps(rows, default=str), "busy": busy}
    values |= {"of_user": of_user, "of_all": of_all, "key": name, "fingerprint": fingerprint}
    answers = (await session.execute(_CALL, values)).mappings().all()
    return Submitted(answers[0]["refusal"], answers[0]["counted"], [_job(answer) for answer in answers])


def _defaults() -> dict[str, Any]:
    """The columns that begin with a plain value; the function sets the times."""
    columns = Job.__table__.columns
    return {one.name: one.default.arg for one in columns if one.default is not None and one.default.is_scalar}


def _job(answer: Any) -> Job | None:
    if answer["id"] is None:
        return None
    return Job(**{column.name: answer[column.name] for column in Job.__table__.columns})
