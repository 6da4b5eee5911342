"""Jobs: batches, lists, running one again; a user sees their own alone."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest
from sqlalchemy import Engine, event

from export.drawing import eyes
from orchestrator import photos
from orchestrator.embedded.stack import Stack
from orchestrator.jobs import submission
from orchestrator.pipeline.images import decode, encode_jpeg
from orchestrator.services import Services
from tests.users import bearer
from tests.waiting import ended, submitted, uploaded

JOBS = "/api/v1/processing/jobs"
BATCH = "/api/v1/processing/batch"
SUBMIT = "/api/v1/processing/submit"


async def test_batch_order_list_and_reprocess(api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    photos = [await uploaded(api, eye_jpeg) for _ in range(2)]
    jobs = (await api.post(BATCH, json={"photo_ids": photos})).json()["jobs"]
    assert [job["photo_id"] for job in jobs] == photos
    done = [await ended(api, job["job_id"]) for job in jobs]
    assert [job["status"] for job in done] == ["completed"] * 2
    assert done[0]["started_at"] <= done[1]["started_at"]

    listed = (await api.get(JOBS, params={"photo_id": photos[0]})).json()
    assert (listed["total"], listed["page"]) == (1, 1)
    again = await api.post(f"{JOBS}/{jobs[0]['job_id']}/reprocess")
    assert again.status_code == 202 and again.json()["photo_id"] == photos[0]
    again_id = again.json()["job_id"]
    early = await api.post(f"{JOBS}/{again_id}/reprocess")
    assert early.status_code == 409, "not before it has ended"
    assert (await ended(api, again_id))["status"] == "completed"
    listed = (await api.get(JOBS, params={"photo_id": photos[0], "status": "completed"})).json()
    assert [job["job_id"] for job in listed["jobs"]] == [again_id, jobs[0]["job_id"]], "newest first"
    photo = (await api.get(f"/api/v1/photos/{photos[0]}")).json()
    assert photo["ai_processing_status"] == "completed" and photo["ai_results"]["result_url"]


async def test_a_job_is_told_where_the_eye_is(api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    photo = await uploaded(api, eye_jpeg)
    nowhere = {"photo_id": photo, "at": {"x": 0.02, "y": 0.02}}
    key = {"Idempotency-Key": uuid4().hex}
    failed = (await api.post(SUBMIT, json=nowhere, headers=key)).json()
    row = await ended(api, failed["job_id"])
    assert (row["status"], row["error_type"], row["error_code"]) == ("failed", "quality_issue", "no_iris")
    again = await api.post(f"{JOBS}/{failed['job_id']}/reprocess")
    assert (await ended(api, again.json()["job_id"]))["error_code"] == "no_iris", "it keeps the old job's point"
    other = nowhere | {"at": {"x": 0.5, "y": 0.5}}
    assert (await api.post(SUBMIT, json=other, headers=key)).status_code == 409, "the point is part of the request"
    moved = await api.post(f"{JOBS}/{failed['job_id']}/reprocess", json={"at": {"x": 0.5, "y": 0.5}})
    done = await ended(api, moved.json()["job_id"])
    assert (done["status"], done["eyes_found"], done["error_code"]) == ("completed", 1, None)
    for outside in ({"x": 1.1, "y": 0.5}, {"x": 0.5}):
        assert (await api.post(SUBMIT, json=nowhere | {"at": outside})).status_code == 422


async def test_detail_is_as_asked_for_or_as_suits_the_photo(api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    photo = await uploaded(api, eye_jpeg)
    key = {"Idempotency-Key": uuid4().hex}
    body = {"photo_id": photo, "detail": "natural"}
    first = (await api.post(SUBMIT, json=body, headers=key)).json()["job_id"]
    assert (await api.post(SUBMIT, json=body | {"detail": "crisp"}, headers=key)).status_code == 409
    natural = await ended(api, first)
    kept = await ended(api, (await api.post(f"{JOBS}/{first}/reprocess")).json()["job_id"])
    crisp = await ended(api, (await api.post(f"{JOBS}/{first}/reprocess", json={"detail": "crisp"})).json()["job_id"])
    assert [job["detail_used"] for job in (natural, kept, crisp)] == ["natural", "natural", "crisp"]
    chosen = (await api.post(BATCH, json={"photo_ids": [photo]})).json()["jobs"][0]["job_id"]
    assert (await ended(api, chosen))["detail_used"] == "crisp", "the drawn eye is clean"
    async with httpx.AsyncClient() as links:
        pictures = [(await links.get(job["result_url"])).content for job in (natural, kept, crisp)]
    assert pictures[0] == pictures[1] != pictures[2]
    assert (await api.post(SUBMIT, json=body | {"detail": "sharp"})).status_code == 422


async def test_each_of_two_eyes_gets_a_job_if_all_are_asked_for(api: httpx.AsyncClient) -> None:
    eye = eyes.draw(492, 300, 300, "crop", mild=True).image
    photo = await uploaded(api, encode_jpeg(np.concatenate([eye, eye[:, ::-1]], axis=1)))
    alone = await ended(api, (await api.post(SUBMIT, json={"photo_id": photo})).json()["job_id"])
    assert (alone["eyes_found"], alone["other_eye_job_id"]) == (2, None)
    body = {"photo_id": photo, "eyes": "all", "detail": "natural"}
    first = await ended(api, (await api.post(SUBMIT, json=body)).json()["job_id"])
    second = await ended(api, first["other_eye_job_id"])
    assert (second["status"], second["photo_id"], second["other_eye_job_id"]) == ("completed", photo, None)
    assert second["detail_used"] == "natural" and first["mask_url"] != second["mask_url"]
    async with httpx.AsyncClient() as links:
        masks = [decode((await links.get(job["mask_url"])).content, 1_000_000)[..., 0] > 0 for job in (first, second)]
    assert masks[0].any() and masks[1].any() and not (masks[0] & masks[1]).any()
    assert (await api.get(JOBS, params={"photo_id": photo})).json()["total"] == 3
    assert (await api.post(SUBMIT, json=body | {"eyes": "three"})).status_code == 422


async def test_a_batch_is_accepted_completely_or_not_at_all(api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    photo = await uploaded(api, eye_jpeg)
    before = (await api.get(JOBS)).json()["total"]
    response = await api.post(BATCH, json={"photo_ids": [photo, str(uuid4())]})
    assert response.status_code == 404
    assert (await api.get(JOBS)).json()["total"] == before
    for wrong in ([], [photo] * 11):
        assert (await api.post(BATCH, json={"photo_ids": wrong})).status_code == 422


@pytest.mark.parametrize("path", ["/api/v1/photos", JOBS])
async def test_photos_and_jobs_of_another_user_are_not_found(
    api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes, path: str
) -> None:
    job_id = await submitted(api, eye_jpeg)
    photo_id = (await ended(api, job_id))["photo_id"]
    stranger = bearer(stack, uuid4())
    assert (await api.get(path, headers=stranger)).json()["total"] == 0
    for call in (
        api.get(f"/api/v1/photos/{photo_id}", headers=stranger),
        api.delete(f"/api/v1/photos/{photo_id}", headers=stranger),
        api.get(f"{JOBS}/{job_id}", headers=stranger),
        api.post(f"{JOBS}/{job_id}/reprocess", headers=stranger),
        api.get(f"{JOBS}/{job_id}/events", headers=stranger),
        api.post("/api/v1/processing/submit", json={"photo_id": photo_id}, headers=stranger),
    ):
        response = await call
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
        assert set(response.json()) == {"type", "title", "status", "detail", "code"}


async def test_a_batch_is_one_statement(services: Services, user: UUID, eye_jpeg: bytes) -> None:
    photo = await photos.add_photo(services, user, eye_jpeg)
    statements: list[str] = []

    def record(connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", record)
    try:
        jobs = await submission.submit(services, user, [photo.id] * 3, "background")
    finally:
        event.remove(Engine, "before_cursor_execute", record)
    assert [("submit_jobs" in one, "BEGIN" in one) for one in statements] == [(True, False)]
    assert [job.created_at for job in jobs] == sorted(job.created_at for job in jobs)
    await photos.delete_photo(services, user, photo.id)
