"""Retention: expired rows are deleted with their objects, and orphans; a dry run only lists them."""

import os
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, update

from orchestrator import db, object_keys, photos
from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import IdempotencyRecord, Job, Photo, Upload
from orchestrator.embedded.stack import Stack
from orchestrator.privacy import subject_data
from orchestrator.privacy.retention import clean
from orchestrator.services import Services
from tests.commands import run


@pytest.fixture
async def user(services: Services) -> AsyncIterator[UUID]:
    user = uuid4()
    yield user
    async with services.db() as session:
        rows, _ = await db.photos.photos_of(session, user, 100, 0)
    for photo in rows:
        await photos.delete_photo(services, user, photo.id)


async def ended_job(services: Services, user: UUID, photo: UUID, status: JobStatus, days: float) -> Job:
    async with services.db.begin() as session:
        (job,) = (await db.submission.add_jobs(session, user, [photo], "interactive")).accepted
        ago = func.now() - timedelta(days=days)
        changed = update(Job).where(Job.id == job.id).values(status=status, completed_at=ago).returning(Job)
        return (await session.execute(changed)).scalar_one()


async def exists(services: Services, table: type[Job] | type[Photo] | type[Upload], row_id: UUID) -> bool:
    async with services.db() as session:
        return await session.get(table, row_id) is not None


async def test_failed_and_cancelled_jobs_are_deleted_after_a_week(
    services: Services, user: UUID, eye_jpeg: bytes
) -> None:
    photo = await photos.add_photo(services, user, eye_jpeg)
    old = [await ended_job(services, user, photo.id, s, 8) for s in (JobStatus.FAILED, JobStatus.CANCELLED)]
    kept = [
        await ended_job(services, user, photo.id, JobStatus.COMPLETED, 8),
        await ended_job(services, user, photo.id, JobStatus.FAILED, 6),
    ]
    planned = await clean(services, dry_run=True)
    assert {str(j.id) for j in old} <= set(planned.jobs) and not {str(j.id) for j in kept} & set(planned.jobs)
    assert all([await exists(services, Job, j.id) for j in old]), "a dry run deletes nothing"
    await clean(services, dry_run=False)
    assert not any([await exists(services, Job, j.id) for j in old])
    assert all([await exists(services, Job, j.id) for j in kept]) and await exists(services, Photo, photo.id)


async def test_photos_are_deleted_after_the_retention_time_if_one_is_set(
    services: Services, user: UUID, eye_jpeg: bytes
) -> None:
    old, new = [await photos.add_photo(services, user, eye_jpeg) for _ in range(2)]
    async with services.db.begin() as session:
        ago = func.now() - timedelta(days=31)
        await session.execute(update(Photo).where(Photo.id == old.id).values(created_at=ago))
    job = await ended_job(services, user, old.id, JobStatus.COMPLETED, 30)
    await services.storage.put(object_keys.result_keys(user, job.id)[0], b"x", "image/jpeg")
    assert str(old.id) not in (await clean(services, dry_run=False)).photos, "kept for ever by default"
    strict = replace(services, settings=services.settings.model_copy(update={"retention_days": 30}))
    assert (await clean(strict, dry_run=False)).photos == [str(old.id)]
    assert not await exists(services, Photo, old.id) and await exists(services, Photo, new.id)
    assert await services.storage.keys(f"originals/{user}") == [new.object_key]
    assert await services.storage.keys(f"processed/{user}") == []


async def test_orphans_are_deleted_and_owned_objects_stay(
    services: Services, stack: Stack, user: UUID, eye_jpeg: bytes
) -> None:
    photo = await photos.add_photo(services, user, eye_jpeg)
    done = await ended_job(services, user, photo.id, JobStatus.COMPLETED, 0)
    failed = await ended_job(services, user, photo.id, JobStatus.FAILED, 0)
    owned = {photo.object_key, *object_keys.result_keys(user, done.id)}
    orphans = {
        object_keys.original_key(user, uuid4()),
        object_keys.upload_key(user, uuid4()),
        *object_keys.result_keys(user, uuid4()),
        *object_keys.result_keys(user, failed.id),
        f"processed/{user}/not-ours.txt",
    }
    fresh = object_keys.original_key(user, uuid4())  # its row may be about to be written
    for key in owned | orphans | {fresh}:
        await services.storage.put(key, b"x", "image/jpeg")
    hours_ago = time.time() - 7200
    for key in owned | orphans:
        os.utime(stack.folder / "objects" / key, (hours_ago, hours_ago))
    assert set((await clean(services, dry_run=True)).orphans) == orphans
    printed = run("cleanup", "--dry-run", "--data", stack.folder)
    assert printed.returncode == 0 and all(key in printed.stdout for key in orphans)
    assert set((await clean(services, dry_run=False)).orphans) == orphans
    left = {
        k for prefix in ("originals", "processed", "uploads") for k in await services.storage.keys(f"{prefix}/{user}")
    }
    assert left == owned | {fresh}


async def test_expired_uploads_and_idempotency_keys_are_deleted(
    services: Services, user: UUID, eye_jpeg: bytes
) -> None:
    upload = await photos.begin_upload(services, user, "image/jpeg", len(eye_jpeg))
    await services.storage.put(upload.object_key, eye_jpeg, "image/jpeg")
    async with services.db.begin() as session:
        await db.idempotency.take_key(session, user, "old", "x")
        await db.idempotency.take_key(session, user, "new", "x")
        ago = func.now() - timedelta(hours=25)
        await session.execute(update(IdempotencyRecord).where(IdempotencyRecord.key == "old").values(created_at=ago))
        await session.execute(update(Upload).where(Upload.id == upload.id).values(expires_at=ago))
    await clean(services, dry_run=False)
    assert not await exists(services, Upload, upload.id)
    assert await services.storage.keys(f"uploads/{user}") == []
    async with services.db() as session:
        assert await db.idempotency.look_up(session, user, "old") is None and await db.idempotency.look_up(
            session, user, "new"
        )


def test_cleanup_without_a_stack_says_so(tmp_path: Path) -> None:
    refused = run("cleanup", "--data", tmp_path)
    assert refused.returncode == 1 and "irisvue up" in refused.stderr


async def test_files_that_a_killed_process_left_half_written_are_deleted(
    services: Services, stack: Stack, eye_jpeg: bytes
) -> None:
    user = uuid4()
    photo = await photos.add_photo(services, user, eye_jpeg)
    folder = stack.folder / "objects" / "processed" / str(user)
    folder.mkdir(parents=True)
    old, new = folder / f"{uuid4()}.mask.png#1", folder / f"{uuid4()}.jpg#2"
    for path in (old, new):
        path.write_bytes(b"half")
    long_ago = time.time() - 2 * 3600
    os.utime(old, (long_ago, long_ago))
    cleaned = await clean(services, dry_run=False)
    assert str(old.relative_to(stack.folder / "objects")) in cleaned.orphans
    assert not old.exists() and new.exists(), "a process may be writing it now"
    left = await subject_data.erase(services, user)
    assert left.nothing and not new.exists()
    assert photo.object_key not in await services.storage.keys("originals")
