"""Deletes what has outlived its time, and objects that nobody owns."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from orchestrator import db, object_keys, photos
from orchestrator.db.tables import Job
from orchestrator.observability.logs import log
from orchestrator.observability.metrics import CLEANED
from orchestrator.progress import events
from orchestrator.reporting import Report, ignore_report
from orchestrator.services import Services
from orchestrator.storage import Stored

BATCH = 500
OWNERS = {
    "originals": db.retention.known_photos,
    "uploads": db.retention.known_uploads,
    "processed": db.retention.jobs_with_objects,
}


@dataclass
class CleanupReport:
    """What went, or with a dry run would go: ids of jobs, photos and uploads, and keys of objects."""

    jobs: list[str] = field(default_factory=list)
    photos: list[str] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    orphan_bytes: int = 0

    def counts(self) -> dict[str, int]:
        """How many of each."""
        return {name: len(getattr(self, name)) for name in ("jobs", "photos", "uploads", "orphans")}


async def clean_and_log(services: Services) -> None:
    """`clean`, with its counts in the log."""
    report = await clean(services, dry_run=False)
    log.info("cleaned", **report.counts(), orphan_bytes=report.orphan_bytes)


async def clean(services: Services, dry_run: bool, tell: Report = ignore_report) -> CleanupReport:
    """One round.

    Failed and cancelled jobs go after `failed_jobs_days`; photos with all that was made from them after
    `retention_days`, if that is set; signed uploads that were not completed in time; objects without an owner, once
    they are `orphan_minutes` old, because an upload's bytes are in the store before its row.
    """
    settings, found = services.settings, CleanupReport()
    async with services.db() as session:
        stale = await db.retention.stale_jobs(session, settings.failed_jobs_days)
        old = (
            await db.retention.old_photos(session, settings.retention_days)
            if settings.retention_days is not None
            else []
        )
        uploads = await db.retention.expired_uploads(session)
    found.jobs = [str(job.id) for job in stale]
    found.photos = [str(photo.id) for photo in old]
    found.uploads = [str(upload.id) for upload in uploads]
    if not dry_run:
        tell(f"{len(stale)} jobs", 0)
        await _delete_jobs(services, list(stale))
        for number, photo in enumerate(old):
            tell(f"{number} of {len(old)} photos", 0.1 + 0.4 * number / len(old))
            async with services.db() as session:
                job_ids = await db.photos.job_ids_of_photo(session, photo.id)
            await photos.remove(services, photo, job_ids)
        for number, upload in enumerate(uploads):
            tell(f"{number} of {len(uploads)} uploads", 0.5 + 0.1 * number / len(uploads))
            await services.storage.delete([upload.object_key])
            async with services.db.begin() as session:
                await db.photos.delete_upload(session, upload.id)
        async with services.db.begin() as session:
            await db.retention.delete_old_idempotency_keys(session)
            await db.notifications.delete_old_deliveries(session)
            await db.audit_log.delete_old_entries(session, settings.trail_days)
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
        await services.storage.delete(object_keys.result_keys(job.user_id, job.id))
    async with services.db.begin() as session:
        await db.retention.delete_jobs(session, [job.id for job in stale])
    await events.forget(services.redis, [job.id for job in stale])


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
    ids: dict[str, UUID | None] = {item.key: object_keys.id_in(item.key) for item in batch}
    asked = [i for i in set(ids.values()) if i]
    async with services.db() as session:
        owners = await OWNERS[prefix](session, asked)
    return [item for item in batch if ids[item.key] not in owners]
