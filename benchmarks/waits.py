"""How long jobs wait on a loaded system, by class and by user: seconds from the row to the first claim."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select

from benchmarks.bench import Bench, bench, eye, summary
from orchestrator import photos
from orchestrator.db.tables import Job
from orchestrator.jobs import submission

BACKGROUND, INTERACTIVE, OTHERS = 40, 20, 5


async def waits_by_class() -> dict[str, Any]:
    """Of a user who sends many background and many interactive jobs, and of others who then send one each."""
    async with bench(workers=1) as b:
        data, busy = eye(), uuid4()
        photo = (await photos.add_photo(b.services, busy, data)).id
        await b.ended(await b.submit(await b.photo(data)))
        sent: dict[str, list[UUID]] = {"background": [], "interactive, of the same user": [], "of other users": []}
        for kind, priority, count in (
            ("background", "background", BACKGROUND),
            ("interactive, of the same user", "interactive", INTERACTIVE),
        ):
            jobs = await submission.submit(b.services, busy, [photo] * count, priority)
            sent[kind] = [job.id for job in jobs]
        for _ in range(OTHERS):
            user = uuid4()
            own = (await photos.add_photo(b.services, user, data)).id
            sent["of other users"].append((await submission.submit(b.services, user, [own], "interactive"))[0].id)
        return {kind: summary(await _waits(b, ids)) for kind, ids in sent.items()}


async def _waits(b: Bench, ids: list[UUID]) -> list[float]:
    while True:
        async with b.services.db() as session:
            rows = (await session.execute(select(Job.created_at, Job.started_at).where(Job.id.in_(ids)))).all()
        waits = [(started - created).total_seconds() for created, started in rows if started]
        if len(waits) == len(ids):
            return waits
        await asyncio.sleep(0.5)
