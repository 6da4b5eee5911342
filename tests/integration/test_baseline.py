"""The usual design, which `benchmarks/` measures ours beside, makes pictures and streams their progress."""

import io
import json
from pathlib import Path
from uuid import uuid4

import pytest
from httpx_sse import aconnect_sse
from PIL import Image

from benchmarks.baseline.stack import open_baseline
from benchmarks.bench import Client, http_client

pytest.importorskip("celery", reason="make .venv/installed-dev installs Celery")


async def test_a_photo_becomes_a_picture_and_its_stream_ends(tmp_path: Path, eye_jpeg: bytes) -> None:
    async with open_baseline(tmp_path, workers=1) as stack, http_client(stack.url, stack.token) as http:
        client = Client(stack, http, uuid4())
        job = await client.submit(await client.photo(eye_jpeg))
        async with aconnect_sse(http, "GET", f"/api/v1/processing/jobs/{job}/events") as source:
            messages = [json.loads(event.data) async for event in source.aiter_sse()]
        refused = await http.post("/api/v1/processing/submit", json={"photo_id": str(uuid4())})
    assert messages[-1] == {"job_id": job, "status": "completed", "progress": 100, "step": "completed"}
    assert len(messages) > 2 and (progress := [m["progress"] for m in messages]) == sorted(progress)
    result = tmp_path / "objects" / "results" / job / "result.jpg"
    assert min(Image.open(io.BytesIO(result.read_bytes())).size) > 300
    assert refused.status_code == 404, "somebody else's photo, or none"
