"""Deletes what has outlived its time, and objects that nobody owns."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from orchestrator import photos, progress, queue, storage, store
from orchestrator.services import Services
from orchestrator.storage import Stored
from orchestrator.tables import Job
from orchestrator.telemetry import CLEANED, log
from orchestrator.telling import Tell, nobody

BATCH = 500
OWNERS = {"originals": store.known_photos, "uploads": store.known_uploads, "processed": store.jobs_with_objects}


@dataclass
class Report:
    """What went, or with a dry run would go: ids of jobs, photos and uploads, and keys of objects."""

    jobs: list[str] = field(default_factory=list)
    photos: list[str] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    orphan_bytes: int = 0

    def counts(self) -> dict[str, int]:
        """How many of each."""
        return {name: len(getattr(self, name)) for name in ("jobs", "photos", "uploads", "orphans")}


async def clean_in_turn(services: Services) -> None:
    """`clean`, unless another process has just done it."""
    if await queue.lead(services.redis, "cleanup", services.settings.cleanup_every_s * 0.9):
        found = await clean(services, dry_run=False)
        log.info("cleaned", **found.counts(), orphan_bytes=found.orphan_bytes)


async def clean(services: Services, dry_run: bool, tell: Tell = nobody) -> Report:
    """One round.

    Failed and cancelled jobs go after `failed_jobs_days`; photos with all that was made from them after
    `retention_days`, if that is set; signed uploads that were not completed in time; objects without an owner, once
    they are `orphan_minutes` old, because an upload's bytes are in the store before its row.
    """
    settings, found = services.settings, Report()
    async with services.db() as db:
        stale = await store.stale_jobs(db, settings.failed_jobs_days)
        old = await store.old_photos(db, settings.retention_days) if settings.retention_days is not None else []
        uploads = await store.expired_uploads(db)
    found.jobs = [str(job.id) for job in stale]
    found.photos = [str(photo.id) for photo in old]
    found.uploads = [str(upload.id) for upload in uploads]
    if not dry_run:
        tell(f"{len(stale)} jobs", 0)
        await _delete_jobs(services, list(stale))
        for number, photo in enumerate(old):
            tell(f"{number} of {len(old)} photos", 0.1 + 0.4 * number / len(old))
            async with services.db() as db:
                job_ids = await store.job_ids_of_photo(db, photo.id)
            await photos.remove(services, photo, job_ids)
        for number, upload in enumerate(uploads):
            tell(f"{number} of {len(uploads)} uploads", 0.5 + 0.1 * number / len(uploads))
            await services.storage.delete([upload.object_key])
            async with services.db.begin() as db:
                await store.delete_upload(db, upload.id)
        async with services.db.begin() as db:
            await store.forget_old_keys(db)
            await store.forget_old_deliveries(db)
            await store.forget_old_openings(db, settings.trail_days)
    tell("objects without an owner", 0.6)
    async for orphan in _orphans(services):
        found.orphans.append(orphan.key)
        found.orphan_bytes += orphan.size_bytes
        if not dry_run:
            await services.storage.delete([orphan.key])
    if not dry_run:
        before = datetime.now(UTC) - timedelta(minutes=settings.orphan_minutes)
        for prefix in OWNERS:
            found.orphans += await services.storage.remove_unfinished(prefix, before)
        for kind, count in found.counts().items():
            CLEANED.labels(kind).inc(count)
    return found


async def _delete_jobs(services: Services, stale: list[Job]) -> None:
    for job in stale:
        await services.storage.delete(storage.result_keys(job.user_id, job.id))
    async with services.db.begin() as db:
        await store.delete_jobs(db, [job.id for job in stale])
    await progress.forget(services.redis, [job.id for job in stale])


async def _orphans(services: Services) -> AsyncIterator[Stored]:
    """Objects old enough whose photo, upload or job is not there, or whose job has no right to them."""
    before = datetime.now(UTC) - timedelta(minutes=services.settings.orphan_minutes)
    for prefix in OWNERS:
        batch: list[Stored] = []
        async for item in services.storage.objects(prefix):
            if item.modified < before:
                batch.append(item)
            if len(batch) == BATCH:
                for orphan in await _without_owner(services, prefix, batch):
                    yield orphan
                batch = []
        for orphan in await _without_owner(services, prefix, batch):
            yield orphan


async def _without_owner(services: Services, prefix: str, batch: list[Stored]) -> list[Stored]:
    ids: dict[str, UUID | None] = {item.key: storage.id_in(item.key) for item in batch}
    asked = [i for i in set(ids.values()) if i]
    async with services.db() as db:
        owners = await OWNERS[prefix](db, asked)
    return [item for item in batch if ids[item.key] not in owners]
