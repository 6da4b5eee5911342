"""Deletes what has been kept long enough, and objects without an owner."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from orchestrator import db, object_keys, photos
from orchestrator.db.tables import Job, Photo, Upload
from orchestrator.errors import ListingDenied
from orchestrator.jobs import announce
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
    "exports": db.accounts.known_exports,
}


@dataclass(frozen=True)
class CleanupReport:
    """What was deleted, or with a dry run would be: ids of jobs, photos and uploads, and keys of objects."""

    jobs: list[str] = field(default_factory=list)
    photos: list[str] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    orphan_bytes: int = 0

    def counts(self) -> dict[str, int]:
        """The number of each."""
        return {name: len(getattr(self, name)) for name in ("jobs", "photos", "uploads", "orphans")}


@dataclass(frozen=True)
class Expired:
    """Rows whose retention time is over."""

    jobs: Sequence[Job]
    photos: Sequence[Photo]
    uploads: Sequence[Upload]


async def clean_and_log(services: Services) -> None:
    """`clean`, with its counts in the log."""
    cleaned = await clean(services, dry_run=False)
    log.info("cleaned", **cleaned.counts(), orphan_bytes=cleaned.orphan_bytes)


async def clean(services: Services, dry_run: bool, report: Report = ignore_report) -> CleanupReport:
    """One round; a dry run deletes nothing.

    Deleted are: failed and cancelled jobs after `failed_jobs_days`; photos with everything made from them after
    `retention_days`, if that is set; signed uploads that were not completed in time; objects without an owner, once
    they are `orphan_minutes` old, because an upload's bytes are stored before its row.
    """
    expired = await _expired(services)
    if not dry_run:
        await _delete_expired(services, expired, report)
        await _delete_old_rows(services)
    report("objects without an owner", 0.6)
    orphans, orphan_bytes = await _clean_orphans(services, dry_run)
    cleaned = CleanupReport(
        jobs=[str(job.id) for job in expired.jobs],
        photos=[str(photo.id) for photo in expired.photos],
        uploads=[str(upload.id) for upload in expired.uploads],
        orphans=orphans,
        orphan_bytes=orphan_bytes,
    )
    if not dry_run:
        for kind, count in cleaned.counts().items():
            CLEANED.labels(kind).inc(count)
    return cleaned


async def _expired(services: Services) -> Expired:
    settings = services.settings
    async with services.db() as session:
        jobs = await db.retention.stale_jobs(session, settings.failed_jobs_days)
        old: Sequence[Photo] = []
        if settings.retention_days is not None:
            old = await db.retention.old_photos(session, settings.retention_days)
        return Expired(jobs, old, await db.retention.expired_uploads(session))


async def _delete_expired(services: Services, expired: Expired, report: Report) -> None:
    """Delete the rows with their objects."""
    report(f"{len(expired.jobs)} jobs", 0)
    await _delete_jobs(services, expired.jobs)
    for number, photo in enumerate(expired.photos):
        report(f"{number} of {len(expired.photos)} photos", 0.1 + 0.4 * number / len(expired.photos))
        async with services.db() as session:
            job_ids = await db.photos.job_ids_of_photo(session, photo.id)
        await photos.remove(services, photo, job_ids)
    for number, upload in enumerate(expired.uploads):
        report(f"{number} of {len(expired.uploads)} uploads", 0.5 + 0.1 * number / len(expired.uploads))
        await services.storage.delete([upload.object_key])
        async with services.db.begin() as session:
            await db.photos.delete_upload(session, upload.id)


async def _delete_jobs(services: Services, jobs: Sequence[Job]) -> None:
    for job in jobs:
        await services.storage.delete(object_keys.result_keys(job.user_id, job.id))
    async with services.db.begin() as session:
        await db.retention.delete_jobs(session, [job.id for job in jobs])
    for job in jobs:
        await announce.publish_deleted(services, job.user_id, None, [job.id])
    await events.forget(services.redis, [job.id for job in jobs])


async def _delete_old_rows(services: Services) -> None:
    """Delete expired rows that have no objects, and exports that nobody needs any more."""
    async with services.db() as session:
        exports = await db.accounts.old_exports(session, services.settings.exports_days)
    await services.storage.delete([export.object_key for export in exports])
    async with services.db.begin() as session:
        await db.accounts.delete_exports(session, [export.id for export in exports])
    async with services.db.begin() as session:
        await db.retention.delete_old_idempotency_keys(session)
        await db.notifications.delete_old_deliveries(session)
        await db.audit_log.delete_old_entries(session, services.settings.trail_days)


async def _clean_orphans(services: Services, dry_run: bool) -> tuple[list[str], int]:
    """Delete objects without an owner and half-written files; returns their names, and the size of the objects."""
    before = datetime.now(UTC) - timedelta(minutes=services.settings.orphan_minutes)
    names: list[str] = []
    size_bytes = 0
    try:
        async for orphan in _orphans(services, before):
            names.append(orphan.key)
            size_bytes += orphan.size_bytes
            if not dry_run:
                await services.storage.delete([orphan.key])
    except ListingDenied as error:
        log.warning("objects without an owner are not looked for", detail=error.detail)
    if not dry_run:
        for prefix in OWNERS:
            names += await services.storage.remove_unfinished(prefix, before)
    return names, size_bytes


async def _orphans(services: Services, before: datetime) -> AsyncIterator[Stored]:
    """Objects written before this time whose photo, upload or job is missing, or whose job may not own objects."""
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


async def _without_owner(services: Services, prefix: str, batch: Sequence[Stored]) -> list[Stored]:
    ids: dict[str, UUID | None] = {item.key: object_keys.id_in(item.key) for item in batch}
    async with services.db() as session:
        owners = await OWNERS[prefix](session, [owner for owner in set(ids.values()) if owner])
    return [item for item in batch if ids[item.key] not in owners]
