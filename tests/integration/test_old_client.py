"""An app older than this server: it knows the contract's paths, fields and messages marked ●, and nothing else."""

import json

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from orchestrator.embedded.stack import Stack
from tests.conftest import PHOTOS

JOB_RESPONSE = {"job_id", "status", "current_step", "progress", "created_at", "websocket_url"}
JOB_STATUS = JOB_RESPONSE | {
    "error_type", "error_message", "suggestion", "attempt_count", "result_url", "original_url",
    "processing_time_ms", "result_width", "result_height",
}  # fmt: skip
PROGRESS = {"job_id", "status", "progress", "step", "timestamp"}


class OldApp:
    """Submits a photo and watches the job over the WebSocket, with its token in the query."""

    def __init__(self, stack: Stack, http: httpx.AsyncClient) -> None:
        self.http, self.token = http, stack.token

    async def submit(self, photo_id: str) -> dict[str, object]:
        answer = await self.http.post("/api/v1/processing/submit", json={"photo_id": photo_id})
        assert answer.status_code == 202 and set(answer.json()) >= JOB_RESPONSE
        return dict(answer.json())

    async def watch(self, job: dict[str, object]) -> list[dict[str, object]]:
        messages: list[dict[str, object]] = []
        async with connect(f"{job['websocket_url']}?token={self.token}", proxy=None) as socket:
            try:
                while True:
                    messages.append(json.loads(await socket.recv()))
                    assert set(messages[-1]) >= PROGRESS
            except ConnectionClosed:
                return messages


async def test_an_old_app_works_unchanged(stack: Stack, api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    app = OldApp(stack, api)
    photo = (await api.post("/api/v1/photos", files={"file": ("IMG_0001.jpg", eye_jpeg, "image/jpeg")})).json()
    job = await app.submit(photo["id"])
    messages = await app.watch(job)
    last = messages[-1]
    assert last["status"] == "completed" and last["progress"] == 100 and last["step"] == "Complete!"
    assert {"result_url", "processing_time_ms", "result_width", "result_height"} <= set(last)
    late = await app.watch(job)
    assert [m["status"] for m in late] == ["completed"], "a client that connects late gets the last message at once"
    status = (await api.get(f"/api/v1/processing/jobs/{job['job_id']}")).json()
    assert set(status) >= JOB_STATUS and status["status"] == "completed"
    async with httpx.AsyncClient(trust_env=False) as plain:
        assert (await plain.get(status["result_url"])).content[:2] == b"\xff\xd8"

    batch = await api.post("/api/v1/processing/batch", json={"photo_ids": [photo["id"]]})
    assert batch.status_code == 202 and set(batch.json()) == {"jobs"}
    listed = (
        await api.get("/api/v1/processing/jobs", params={"page": 1, "page_size": 5, "status": "completed"})
    ).json()
    assert set(listed) == {"jobs", "total", "page", "page_size"}
    await app.watch(batch.json()["jobs"][0])
    again_job = await api.post(f"/api/v1/processing/jobs/{job['job_id']}/reprocess")
    assert again_job.status_code == 202 and set(again_job.json()) >= JOB_RESPONSE
    await app.watch(again_job.json())


async def test_an_old_app_shows_the_words_of_a_failure(stack: Stack, api: httpx.AsyncClient) -> None:
    app = OldApp(stack, api)
    moon = (PHOTOS / "neg_moon.png").read_bytes()
    photo = (await api.post("/api/v1/photos", files={"file": ("moon.png", moon, "image/png")})).json()
    last = (await app.watch(await app.submit(photo["id"])))[-1]
    assert last["status"] == "failed" and last["error_type"] == "quality_issue"
    assert last["message"] == "Iris not detected in image"
    assert last["suggestion"] == "Try capturing a new photo in better lighting with your eye centered."


async def test_an_old_app_may_disconnect_and_come_back(stack: Stack, api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    app = OldApp(stack, api)
    photo = (await api.post("/api/v1/photos", files={"file": eye_jpeg})).json()
    job = await app.submit(photo["id"])
    async with connect(f"{job['websocket_url']}?token={stack.token}", proxy=None) as socket:
        await socket.recv()
    assert (await app.watch(job))[-1]["status"] == "completed", "the job goes on without a client"
