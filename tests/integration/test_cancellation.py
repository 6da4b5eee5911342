"""A cancelled job stops within a tile, and one that waits is never begun."""

from uuid import uuid4

import httpx

from orchestrator import db, photos
from orchestrator.db.job_states import JobStatus
from orchestrator.embedded.stack import Stack
from orchestrator.jobs import cancellation, lease
from orchestrator.pipeline.images import encode_jpeg
from orchestrator.services import Services
from tests.conftest import drawn_eye
from tests.streams import Message, events_of, follow
from tests.waiting import ended, submitted

ENHANCING = "Enhancing quality..."


def is_enhancing(message: Message) -> bool:
    return message["step"] == ENHANCING and message["status"] == "processing"


async def test_a_running_job_stops_within_a_tile(user_api: httpx.AsyncClient, stack: Stack) -> None:
    job_id = await submitted(user_api, encode_jpeg(drawn_eye(492, 1600, 1200).image))
    job = f"/api/v1/processing/jobs/{job_id}"
    seen: list[Message] = []
    async for _, _, message in follow(user_api, events_of(job_id)):
        seen.append(message)
        if is_enhancing(message):
            response = await user_api.post(f"{job}/cancel")
            assert response.status_code == 200 and response.json()["status"] == "cancelled"
    assert seen[-1]["status"] == "cancelled" and int(str(seen[-1]["progress"])) < 90
    assert sum(map(is_enhancing, seen)) < 6, "tiles that had not been sent are not sent"
    assert (await user_api.post(f"{job}/cancel")).status_code == 409
    next_id = await submitted(user_api, encode_jpeg(drawn_eye().image))
    assert (await ended(user_api, next_id))["status"] == "completed"
    assert not [p for p in (stack.folder / "objects" / "processed").rglob(f"{job_id}*")]
    retry = await user_api.post(f"{job}/reprocess")
    assert retry.status_code == 202, "a cancelled job can be run again"
    await user_api.post(f"/api/v1/processing/jobs/{retry.json()['job_id']}/cancel")


async def test_a_waiting_job_is_cancelled_at_once(services: Services, eye_jpeg: bytes) -> None:
    user = uuid4()
    photo = await photos.add_photo(services, user, eye_jpeg)
    async with services.db.begin() as session:
        (job,) = (await db.submission.add_jobs(session, user, [photo.id], "background")).accepted
    assert (await cancellation.cancel(services, user, job.id)).status == JobStatus.CANCELLED
    assert await lease.claim(services, job.id, {}) is None, "a worker that takes it from the queue does not begin it"
