"""The main job through HTTP, with both ways to watch it, on the real stack."""

import io
import json
from uuid import uuid4

import httpx
import numpy as np
import pytest
from httpx_sse import aconnect_sse
from PIL import Image
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from export.drawing import eyes
from orchestrator.auth.tokens import make_token
from orchestrator.embedded.stack import Stack
from tests.waiting import ended, submitted

WORDS = [
    "Waiting in line...",
    "Preparing your image...",
    "Finding your iris...",
    "Removing reflections...",
    "Enhancing quality...",
    "Almost done...",
    "Complete!",
]


async def sse(api: httpx.AsyncClient, job_id: str, **headers: str) -> list[tuple[str, str, dict[str, object]]]:
    path = f"/api/v1/processing/jobs/{job_id}/events"
    async with aconnect_sse(api, "GET", path, headers=headers) as source:
        return [(e.event, e.id, json.loads(e.data)) async for e in source.aiter_sse() if e.data]


async def websocket(stack: Stack, job_id: str, token: str) -> tuple[list[dict[str, object]], int | None]:
    found = []
    async with connect(f"{stack.url.replace('http', 'ws')}/ws/jobs/{job_id}?token={token}", proxy=None) as socket:
        try:
            while True:
                found.append(json.loads(await socket.recv()))
        except ConnectionClosed as closed:
            return found, closed.rcvd.code if closed.rcvd else None


async def test_the_main_job(api: httpx.AsyncClient, stack: Stack, eye: eyes.Drawn, eye_jpeg: bytes) -> None:
    job_id = await submitted(api, eye_jpeg)
    events = await sse(api, job_id)
    job = (await api.get(f"/api/v1/processing/jobs/{job_id}")).json()

    assert job["status"] == "completed", job
    assert (job["progress"], job["current_step"], job["attempt_count"]) == (100, "Complete!", 1)
    assert set(job["step_ms"]) == {"loading", "segmenting", "removing_reflections", "enhancing", "saving"}
    assert job["provider"] == "triton"
    assert 0 < job["quality_score"] <= 1

    kinds = [kind for kind, _, _ in events]
    assert kinds == ["progress"] * (len(kinds) - 1) + ["completed"]
    progress = [int(str(body["progress"])) for _, _, body in events]
    assert progress == sorted(progress) and progress[-1] == 100
    steps = list(dict.fromkeys(str(body["step"]) for _, _, body in events))
    assert steps == [w for w in WORDS if w in steps] and steps[-1] == "Complete!"
    last = events[-1][2]
    assert last["result_width"] == job["result_width"] and last["processing_time_ms"] == job["processing_time_ms"]

    async with httpx.AsyncClient(trust_env=False) as anyone:  # links are signed: no token
        result = await anyone.get(job["result_url"])
        mask = await anyone.get(job["mask_url"])
        original = await anyone.get(job["original_url"])
        forged = await anyone.get(job["result_url"].replace("signature=", "signature=0"))
    assert original.content == eye_jpeg
    assert forged.status_code == 404
    picture = Image.open(io.BytesIO(result.content))
    assert picture.format == "JPEG" and picture.size == (job["result_width"], job["result_height"])
    assert picture.info["icc_profile"] and not picture.getexif()
    assert np.asarray(picture)[:8, :8].max() < 16, "black outside the iris"
    found = np.asarray(Image.open(io.BytesIO(mask.content))) == 255
    truth = eye.iris | eye.pupil
    assert found.shape == truth.shape
    assert (found & truth).sum() / (found | truth).sum() > 0.9


async def test_both_transports_say_the_same(api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes) -> None:
    job_id = await submitted(api, eye_jpeg)
    messages, code = await websocket(stack, job_id, stack.token)
    assert code == 1000
    assert messages[-1]["status"] == "completed" and str(messages[-1]["result_url"]).startswith("http")
    ids = [str(m["event_id"]) for m in messages if "event_id" in m]
    assert len(ids) == len(set(ids)) > 5

    replayed = await sse(api, job_id, **{"Last-Event-ID": ids[1]})
    assert [i for _, i, _ in replayed[:-1]] == ids[2:-1], "nothing missed, nothing repeated"
    assert replayed[-1][0] == "completed"


async def test_late_client_gets_the_last_message_at_once(api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes) -> None:
    job_id = await submitted(api, eye_jpeg)
    await ended(api, job_id)
    events = await sse(api, job_id)
    assert [kind for kind, _, _ in events] == ["completed"]
    messages, _ = await websocket(stack, job_id, stack.token)
    assert [m["status"] for m in messages] == ["completed"]


async def test_stream_takes_its_token_from_the_query_too(stack: Stack, api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    job_id = await submitted(api, eye_jpeg)
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=60) as plain:
        answer = await plain.get(f"/api/v1/processing/jobs/{job_id}/events", params={"token": stack.token})
        assert answer.status_code == 200 and "event: completed" in answer.text
        assert (await plain.get(f"/api/v1/processing/jobs/{job_id}/events")).status_code == 401


async def test_refused_websockets_close_with_a_reason(stack: Stack, api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    job_id = await submitted(api, eye_jpeg)
    stranger = make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])
    assert await websocket(stack, job_id, "forged") == ([], 4401)
    assert await websocket(stack, job_id, stranger) == ([], 4404)
    assert await websocket(stack, str(uuid4()), stack.token) == ([], 4404)


async def test_batch_order_list_and_reprocess(api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    photos = [(await api.post("/api/v1/photos", files={"file": eye_jpeg})).json()["id"] for _ in range(2)]
    jobs = (await api.post("/api/v1/processing/batch", json={"photo_ids": photos})).json()["jobs"]
    assert [j["photo_id"] for j in jobs] == photos
    done = [await ended(api, j["job_id"]) for j in jobs]
    assert [j["status"] for j in done] == ["completed"] * 2
    assert done[0]["started_at"] <= done[1]["started_at"]

    listed = (await api.get("/api/v1/processing/jobs", params={"photo_id": photos[0]})).json()
    assert (listed["total"], listed["page"]) == (1, 1)
    again = await api.post(f"/api/v1/processing/jobs/{jobs[0]['job_id']}/reprocess")
    assert again.status_code == 202 and again.json()["photo_id"] == photos[0]
    early = await api.post(f"/api/v1/processing/jobs/{again.json()['job_id']}/reprocess")
    assert early.status_code == 409, "not before it has ended"
    assert (await ended(api, again.json()["job_id"]))["status"] == "completed"
    listed = (await api.get("/api/v1/processing/jobs", params={"photo_id": photos[0], "status": "completed"})).json()
    assert [j["job_id"] for j in listed["jobs"]] == [again.json()["job_id"], jobs[0]["job_id"]], "newest first"
    photo = (await api.get(f"/api/v1/photos/{photos[0]}")).json()
    assert photo["ai_processing_status"] == "completed" and photo["ai_results"]["result_url"]


async def test_batch_is_all_or_none(api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    photo = (await api.post("/api/v1/photos", files={"file": eye_jpeg})).json()["id"]
    before = (await api.get("/api/v1/processing/jobs")).json()["total"]
    answer = await api.post("/api/v1/processing/batch", json={"photo_ids": [photo, str(uuid4())]})
    assert answer.status_code == 404
    assert (await api.get("/api/v1/processing/jobs")).json()["total"] == before
    for wrong in ([], [photo] * 11):
        assert (await api.post("/api/v1/processing/batch", json={"photo_ids": wrong})).status_code == 422


async def test_deleting_a_photo_removes_everything_made_from_it(
    api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes
) -> None:
    job_id = await submitted(api, eye_jpeg)
    job = await ended(api, job_id)
    objects = stack.folder / "objects"
    made = [p for p in objects.rglob("*") if job_id in p.name or job["photo_id"] in p.name]
    assert len(made) == 4
    assert (await api.delete(f"/api/v1/photos/{job['photo_id']}")).status_code == 204
    assert not any(path.exists() for path in made)
    for path in (f"/api/v1/photos/{job['photo_id']}", f"/api/v1/processing/jobs/{job_id}"):
        assert (await api.get(path)).status_code == 404
    async with httpx.AsyncClient(trust_env=False) as anyone:
        assert (await anyone.get(job["result_url"])).status_code == 404


async def test_deleting_a_photo_in_the_middle_stops_its_job(
    api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes
) -> None:
    job_id = await submitted(api, eye_jpeg)
    photo_id = (await api.get(f"/api/v1/processing/jobs/{job_id}")).json()["photo_id"]
    async with aconnect_sse(api, "GET", f"/api/v1/processing/jobs/{job_id}/events") as source:
        last = ""
        async for event in source.aiter_sse():
            if not event.data:
                continue
            last = event.event
            if json.loads(event.data)["progress"] >= 10 and event.event == "progress":
                await api.delete(f"/api/v1/photos/{photo_id}")
    assert last == "cancelled"
    again = await submitted(api, eye_jpeg)  # the worker goes on with the next one
    assert (await ended(api, again))["status"] == "completed"
    assert not [p for p in (stack.folder / "objects").rglob("*") if job_id in p.name]


@pytest.mark.parametrize("path", ["/api/v1/photos", "/api/v1/processing/jobs"])
async def test_somebody_elses_things_are_not_there(
    api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes, path: str
) -> None:
    job_id = await submitted(api, eye_jpeg)
    photo_id = (await ended(api, job_id))["photo_id"]
    mine = {"Authorization": f"Bearer {make_token(uuid4(), stack.env['IRISVUE_JWT_SECRET'])}"}
    assert (await api.get(path, headers=mine)).json()["total"] == 0
    for call in (
        api.get(f"/api/v1/photos/{photo_id}", headers=mine),
        api.delete(f"/api/v1/photos/{photo_id}", headers=mine),
        api.get(f"/api/v1/processing/jobs/{job_id}", headers=mine),
        api.post(f"/api/v1/processing/jobs/{job_id}/reprocess", headers=mine),
        api.get(f"/api/v1/processing/jobs/{job_id}/events", headers=mine),
        api.post("/api/v1/processing/submit", json={"photo_id": photo_id}, headers=mine),
    ):
        answer = await call
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(answer.json()) == {"type", "title", "status", "detail", "code"}
