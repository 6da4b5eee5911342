"""Idempotency keys: the same request twice is answered alike and done once."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from tests.waiting import ended, uploaded

SUBMIT = "/api/v1/processing/submit"


async def test_an_upload_with_the_same_key_makes_one_photo(user_api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    key = {"Idempotency-Key": "photo-1"}
    first, second = [await user_api.post("/api/v1/photos", files={"file": eye_jpeg}, headers=key) for _ in range(2)]
    assert first.status_code == second.status_code == 201
    assert first.json()["id"] == second.json()["id"]
    other = await user_api.post("/api/v1/photos", files={"file": eye_jpeg + b"x"}, headers=key)
    assert other.status_code == 409 and "Idempotency-Key" in other.json()["detail"]
    assert (await user_api.get("/api/v1/photos")).json()["total"] == 1


async def test_a_submit_with_the_same_key_makes_one_job(user_api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    body, key = {"photo_id": await uploaded(user_api, eye_jpeg)}, {"Idempotency-Key": "job-1"}
    first = await user_api.post(SUBMIT, json=body, headers=key)
    await ended(user_api, first.json()["job_id"])
    again = await user_api.post(SUBMIT, json=body, headers=key)
    assert again.json() == first.json(), "the first answer, though the job has ended since"
    changed = await user_api.post(SUBMIT, json=body | {"preview": True}, headers=key)
    assert changed.status_code == 409
    batch = await user_api.post("/api/v1/processing/batch", json={"photo_ids": [body["photo_id"]]}, headers=key)
    assert batch.status_code == 409, "the key belongs to another request"
    assert (await user_api.get("/api/v1/processing/jobs")).json()["total"] == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "ümlaut".encode()])
async def test_keys_of_the_wrong_form(user_api: httpx.AsyncClient, key: str | bytes) -> None:
    headers = {"Idempotency-Key": key}
    response = await user_api.post(SUBMIT, json={"photo_id": str(uuid4())}, headers=headers)  # type: ignore[arg-type]
    assert response.status_code == 422


async def test_a_thousand_submits_with_one_key_make_one_job(user_api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    body = {"photo_id": await uploaded(user_api, eye_jpeg)}
    key, at_once = {"Idempotency-Key": "once"}, asyncio.Semaphore(200)

    async def submit() -> str:
        async with at_once:
            response = await user_api.post(SUBMIT, json=body, headers=key, timeout=120)
            assert response.status_code == 202, response.text
            return str(response.json()["job_id"])

    ids = await asyncio.gather(*(submit() for _ in range(1000)))
    assert len(set(ids)) == 1
    assert (await user_api.get("/api/v1/processing/jobs")).json()["total"] == 1
    await user_api.post(f"/api/v1/processing/jobs/{ids[0]}/cancel")


async def test_a_refused_request_does_not_use_up_its_key(user_api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    key = {"Idempotency-Key": "again"}
    assert (await user_api.post(SUBMIT, json={"photo_id": str(uuid4())}, headers=key)).status_code == 404
    body = {"photo_id": await uploaded(user_api, eye_jpeg)}
    assert (await user_api.post(SUBMIT, json=body, headers=key)).status_code == 202
