"""Everything that is kept about one user: counted, exported, erased."""

import asyncio
import json
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from orchestrator import db, photos
from orchestrator.errors import NotFound
from orchestrator.observability.logs import log
from orchestrator.progress import events
from orchestrator.reporting import Report, ignore_report
from orchestrator.services import Services

EXPORTED = ("originals", "uploads", "processed")
PREFIXES = (*EXPORTED, "exports")


@dataclass(frozen=True)
class HeldData:
    """How much is kept about a user: the number of rows by table, and of objects by prefix."""

    rows: dict[str, int]
    objects: dict[str, int]

    @property
    def nothing(self) -> bool:
        """Whether there is nothing at all."""
        return not any([*self.rows.values(), *self.objects.values()])


async def count_held(services: Services, user: UUID) -> HeldData:
    """Count what is kept about the user."""
    async with services.db() as session:
        rows = await db.subject_data.count_of(session, user)
    keys = {prefix: await services.storage.keys(f"{prefix}/{user}") for prefix in PREFIXES}
    return HeldData(rows, {prefix: len(names) for prefix, names in keys.items()})


async def export(services: Services, user: UUID, path: Path, report: Report = ignore_report) -> HeldData:
    """Write everything about the user into a ZIP: rows.json, and each object under its key. Raises NotFound."""
    async with services.db() as session:
        rows_by_table = await db.subject_data.rows_of(session, user)
    if not rows_by_table["users"]:
        raise NotFound(f"There is no user {user}.")
    counts = {name: len(rows) for name, rows in rows_by_table.items()}
    objects = dict.fromkeys(EXPORTED, 0)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.json", json.dumps(rows_by_table, indent=1, default=str))
        keys = [(prefix, key) for prefix in EXPORTED for key in await services.storage.keys(f"{prefix}/{user}")]
        for number, (prefix, key) in enumerate(keys):
            report(f"{number} of {len(keys)} pictures", number / len(keys))
            data = await services.storage.get(key)
            await asyncio.to_thread(archive.writestr, key, data)
            objects[prefix] += 1
    log.info("exported", user_id=str(user), **counts)
    return HeldData(counts, objects)


async def erase(services: Services, user: UUID, report: Report = ignore_report) -> HeldData:
    """Cancel the user's jobs and delete everything about the user; returns what is left, normally nothing.

    Raises:
        NotFound: nothing is kept about this user.
        StoreUnavailable: the object store can't be reached. Run it again: it goes on where it stopped.
    """
    before = await count_held(services, user)
    if before.nothing:
        raise NotFound(f"Nothing is kept about {user}.")
    async with services.db() as session:
        photo_ids = await db.subject_data.photo_ids_of(session, user)
    for number, photo_id in enumerate(photo_ids):
        report(f"{number} of {len(photo_ids)} photos", number / len(photo_ids))
        try:
            await photos.delete_photo(services, user, photo_id)
        except NotFound:
            continue  # it was deleted meanwhile
    for prefix in PREFIXES:
        await services.storage.delete(await services.storage.keys(f"{prefix}/{user}"))
        await services.storage.remove_unfinished(f"{prefix}/{user}", datetime.now(UTC))
    async with services.db.begin() as session:
        await db.subject_data.erase_rows(session, user)
    await services.redis.delete(events.user_stream(user))
    left = await count_held(services, user)
    log.info("erased", user_id=str(user), **before.rows, nothing_left=left.nothing)
    return left
