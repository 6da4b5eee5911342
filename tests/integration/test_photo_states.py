"""Photos know their state, their newest job and their newest good result."""

import asyncio
import io
from uuid import UUID, uuid4

import httpx
from PIL import Image
from sqlalchemy import update

from orchestrator import db
from orchestrator.db.tables import Job
from orchestrator.pipeline.images import encode_jpeg
from orchestrator.pipeline.pixels import Pixels
from orchestrator.services import Services
from tests.waiting import ended, submitted, uploaded

PHOTOS, JOBS = "/api/v1/photos", "/api/v1/processing/jobs"


async def state_of(api: httpx.AsyncClient, photo_id: str) -> str | None:
    state: str | None = (await api.get(f"{PHOTOS}/{photo_id}")).json()["ai_processing_status"]
    return state


async def test_a_failed_reprocess_hides_no_good_picture(user_api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    name = "C:\\Users\\me\\Mein Auge (1).jpg"
    sent = await user_api.post(PHOTOS, files={"file": (name, eye_jpeg)})
    photo_id = sent.json()["id"]
    assert sent.json()["filename"] == "Mein Auge (1).jpg"
    assert sent.json()["ai_processing_status"] is None and sent.json()["latest_job"] is None
    first = await user_api.post("/api/v1/processing/submit", json={"photo_id": photo_id})
    assert await state_of(user_api, photo_id) in ("pending", "processing", "completed")
    good = await ended(user_api, first.json()["job_id"])
    nowhere = {"at": {"x": 0.02, "y": 0.02}}
    again = await user_api.post(f"{JOBS}/{good['job_id']}/reprocess", json=nowhere)
    bad = await ended(user_api, again.json()["job_id"])
    assert (good["status"], bad["status"]) == ("completed", "failed")

    listed = (await user_api.get(PHOTOS, params={"ai_processing_status": "completed"})).json()
    photo = listed["photos"][0]
    assert listed["total"] == 1 and photo["id"] == photo_id and photo["filename"] == "Mein Auge (1).jpg"
    assert photo["latest_job"]["job_id"] == bad["job_id"] and photo["latest_job"]["error_code"] == "no_iris"
    assert photo["latest_result"]["job_id"] == photo["ai_results"]["job_id"] == good["job_id"]
    assert photo["ai_error_message"] is None
    assert set(photo["thumbnail_urls"]) == {"320", "960"}
    async with httpx.AsyncClient(trust_env=False) as plain:
        for px, url in photo["thumbnail_urls"].items():
            picture = Image.open(io.BytesIO((await plain.get(url)).content))
            assert max(picture.size) == min(int(px), max(good["result_width"], good["result_height"]))
        assert photo["thumbnail_url"].partition("?")[0] == photo["thumbnail_urls"]["320"].partition("?")[0]
        assert (await user_api.delete(f"{PHOTOS}/{photo_id}")).status_code == 204
        assert (await plain.get(photo["thumbnail_url"])).status_code == 404, "thumbnails go with their photo"
    assert (await user_api.get(PHOTOS, params={"ai_processing_status": "great"})).status_code == 422


async def test_a_state_outlives_its_job(services: Services, user_api: httpx.AsyncClient, wall: Pixels) -> None:
    job = await ended(user_api, await submitted(user_api, encode_jpeg(wall)))
    async with services.db.begin() as session:
        await db.retention.delete_jobs(session, [UUID(job["job_id"])])
    photo = (await user_api.get(f"{PHOTOS}/{job['photo_id']}")).json()
    assert photo["ai_processing_status"] == "failed" and photo["latest_job"] is None
    assert (await user_api.get(PHOTOS, params={"ai_processing_status": "failed"})).json()["total"] == 1


async def test_two_jobs_of_a_photo_that_end_at_once(
    services: Services, user: UUID, user_api: httpx.AsyncClient, eye_jpeg: bytes
) -> None:
    photo_id = await uploaded(user_api, eye_jpeg)
    async with services.db.begin() as session:
        submitted_jobs = await db.submission.add_jobs(session, user, [UUID(photo_id)] * 2, "background")
        first, second = submitted_jobs.accepted
    assert await state_of(user_api, photo_id) in ("pending", "processing")
    async with services.db.begin() as one:
        await one.execute(update(Job).where(Job.id == first.id).values(status="completed"))

        async def fail() -> None:
            async with services.db.begin() as other:
                await other.execute(update(Job).where(Job.id == second.id).values(status="failed"))

        failing = asyncio.create_task(fail())
        await asyncio.wait({failing}, timeout=0.2)
    await failing
    assert await state_of(user_api, photo_id) == "completed", "neither has overlooked the other"


async def test_a_cancelled_job_leaves_no_state(
    user_api: httpx.AsyncClient, services: Services, eye_jpeg: bytes
) -> None:
    photo_id = await uploaded(user_api, eye_jpeg)
    assert await state_of(user_api, photo_id) is None
    job = (await user_api.post("/api/v1/processing/submit", json={"photo_id": photo_id})).json()
    cancelled = await user_api.post(f"{JOBS}/{job['job_id']}/cancel")
    assert cancelled.status_code == 200 and await state_of(user_api, photo_id) is None


async def test_a_signed_upload_has_a_name_too(user_api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    body = {"content_type": "image/jpeg", "size_bytes": len(eye_jpeg), "filename": f"{uuid4().hex * 20}/eye.jpg"}
    begun = (await user_api.post(f"{PHOTOS}/uploads", json=body)).json()
    async with httpx.AsyncClient(trust_env=False) as plain:
        await plain.put(begun["upload_url"], content=eye_jpeg, headers=begun["headers"])
    assert (await user_api.post(begun["complete_url"])).json()["filename"] == "eye.jpg"
