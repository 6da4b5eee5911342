"""What one user, and all together, may use; past it the answer is 429 with Retry-After."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from orchestrator import db, limits, photos
from orchestrator.config import Settings
from orchestrator.errors import TooMany
from orchestrator.jobs import submission
from orchestrator.progress import stream_places
from orchestrator.services import Services, open_services
from tests.waiting import uploaded

USER_UNFINISHED_JOBS = 100  # the default


@pytest.fixture
async def strict(config: Settings) -> AsyncIterator[Services]:
    """The same service with low limits."""
    low = {"user_unfinished_jobs": 3, "user_bytes_a_day": 100_000, "user_streams": 2}
    async with open_services(config.model_copy(update=low)) as opened:
        yield opened


async def test_unfinished_jobs_are_limited_also_when_submitted_at_once(
    strict: Services, user: UUID, eye_jpeg: bytes
) -> None:
    photo = await photos.add_photo(strict, user, eye_jpeg)
    outcomes = await asyncio.gather(
        *(submission.submit(strict, user, [photo.id], "background") for _ in range(8)), return_exceptions=True
    )
    refused = [outcome for outcome in outcomes if isinstance(outcome, TooMany)]
    assert len(refused) >= 8 - 3 - 2, "three at a time, and up to two more once workers have ended some"
    assert all(error.retry_after_s > 0 and "3 are allowed" in error.detail for error in refused)
    with pytest.raises(TooMany):
        await submission.submit(strict, user, [photo.id] * 4, "interactive")
    await photos.delete_photo(strict, user, photo.id)


async def test_unfinished_jobs_of_all_users_are_limited(config: Settings, user: UUID, eye_jpeg: bytes) -> None:
    async with open_services(config.model_copy(update={"unfinished_jobs": 1})) as full:
        photo = await photos.add_photo(full, user, eye_jpeg)
        async with full.db.begin() as session:
            await db.submission.add_jobs(session, user, [photo.id], "interactive")
        with pytest.raises(TooMany, match="very busy"):
            await submission.submit(full, user, [photo.id], "interactive")
        await photos.delete_photo(full, user, photo.id)


async def test_bytes_a_day_are_limited_and_deleting_gives_none_back(
    strict: Services, user: UUID, eye_jpeg: bytes
) -> None:
    for _ in range(100_000 // len(eye_jpeg)):
        photo = await photos.add_photo(strict, user, eye_jpeg)
        await photos.delete_photo(strict, user, photo.id)
    with pytest.raises(TooMany) as refused:
        await photos.add_photo(strict, user, eye_jpeg)
    assert 0 < refused.value.retry_after_s <= 24 * 3600
    with pytest.raises(TooMany):
        await photos.begin_upload(strict, user, "image/jpeg", len(eye_jpeg))
    assert await strict.storage.keys(f"originals/{user}") == []
    assert 0 < limits.until_midnight_s() <= 24 * 3600 + 1


async def test_streams_are_limited_and_their_places_come_back(strict: Services, user: UUID) -> None:
    first, second = [await stream_places.take_place(strict.redis, user, 2, 600) for _ in range(2)]
    assert first and second and await stream_places.take_place(strict.redis, user, 2, 600) is None
    await stream_places.leave_place(strict.redis, user, first)
    assert await stream_places.take_place(strict.redis, user, 2, -1), "a place whose holder dies"
    assert await stream_places.take_place(strict.redis, user, 2, 600), "becomes free"
    assert await strict.redis.ttl(f"irisvue:streams:{user}") > 0


async def test_too_many_jobs_are_answered_429_with_retry_after(user_api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    photo = await uploaded(user_api, eye_jpeg)
    body = {"photo_ids": [photo] * 10}
    responses = [
        await user_api.post("/api/v1/processing/batch", json=body, timeout=60)
        for _ in range(USER_UNFINISHED_JOBS // 10 + 3)
    ]
    refused = [response for response in responses if response.status_code == 429]
    assert refused and all(response.status_code in (202, 429) for response in responses)
    assert int(refused[0].headers["retry-after"]) > 0
    assert refused[0].headers["content-type"] == "application/problem+json"
    assert refused[0].json()["code"] == "too_many"
    assert (await user_api.delete(f"/api/v1/photos/{photo}")).status_code == 204
    assert (await user_api.get("/api/v1/processing/jobs")).json()["total"] == 0
