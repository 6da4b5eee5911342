"""What is kept of one person, and its removal with proof."""

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

PREFIXES = ("originals", "uploads", "processed")


@dataclass(frozen=True)
class HeldData:
    """How much there is about somebody: rows by table, objects by where they lie."""

    rows: dict[str, int]
    objects: dict[str, int]

    @property
    def nothing(self) -> bool:
        """Whether there is nothing at all."""
        return not any([*self.rows.values(), *self.objects.values()])


async def count_held(services: Services, user: UUID) -> HeldData:
    """Count what there is."""
    async with services.db() as session:
        rows = await db.subject_data.count_of(session, user)
    keys = {prefix: await services.storage.keys(f"{prefix}/{user}") for prefix in PREFIXES}
    return HeldData(rows, {prefix: len(found) for prefix, found in keys.items()})


async def export(services: Services, user: UUID, path: Path, tell: Report = ignore_report) -> HeldData:
    """Write everything about the user into a ZIP: rows.json, and each object under its key. Raises NotFound."""
    async with services.db() as session:
        rows = await db.subject_data.rows_of(session, user)
    if not rows["users"]:
        raise NotFound(f"Nobody has the id {user}.")
    counts = {name: len(found) for name, found in rows.items()}
    objects = dict.fromkeys(PREFIXES, 0)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.json", json.dumps(rows, indent=1, default=str))
        keys = [(p, key) for p in PREFIXES for key in await services.storage.keys(f"{p}/{user}")]
        for number, (prefix, key) in enumerate(keys):
            tell(f"{number} of {len(keys)} pictures", number / len(keys))
            data = await services.storage.get(key)
            await asyncio.to_thread(archive.writestr, key, data)
            objects[prefix] += 1
    log.info("exported", user_id=str(user), **counts)
    return HeldData(counts, objects)


async def erase(services: Services, user: UUID, tell: Report = ignore_report) -> HeldData:
    """Cancel, delete and forget everything about the user; returns what is left, which is nothing.

    Raises:
        NotFound: nobody has this id, and nothing of it is left. StoreUnavailable: begin again; nothing is half gone.
    """
    before = await count_held(services, user)
    if before.nothing:
        raise NotFound(f"Nothing is kept of {user}.")
    async with services.db() as session:
        mine = await db.subject_data.photo_ids_of(session, user)
    for number, photo_id in enumerate(mine):
        tell(f"{number} of {len(mine)} photos", number / len(mine))
        try:
            await photos.delete_photo(services, user, photo_id)
        except NotFound:
            continue  # somebody deleted it at the same moment
    for prefix in PREFIXES:
        await services.storage.delete(await services.storage.keys(f"{prefix}/{user}"))
        await services.storage.remove_unfinished(f"{prefix}/{user}", datetime.now(UTC))
    async with services.db.begin() as session:
        await db.subject_data.erase_rows(session, user)
    await services.redis.delete(events.user_stream(user))
    left = await count_held(services, user)
    log.info("erased", user_id=str(user), **before.rows, nothing_left=left.nothing)
    return left
