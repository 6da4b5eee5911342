"""The main job through HTTP on the real stack: a photo goes in, an iris picture comes out."""

import io

import httpx
import numpy as np
from PIL import Image

from export.drawing import eyes
from tests.streams import Message, over_sse
from tests.waiting import submitted

STEPS = [
    "Waiting in line...",
    "Preparing your image...",
    "Finding your iris...",
    "Removing reflections...",
    "Enhancing quality...",
    "Almost done...",
    "Complete!",
]


async def test_the_main_job(api: httpx.AsyncClient, eye: eyes.Drawn, eye_jpeg: bytes) -> None:
    job_id = await submitted(api, eye_jpeg)
    events = await over_sse(api, job_id)
    job = (await api.get(f"/api/v1/processing/jobs/{job_id}")).json()
    check_job(job)
    kinds = [kind for kind, _, _ in events]
    assert kinds == ["progress"] * (len(kinds) - 1) + ["completed"]
    check_messages([message for _, _, message in events], job)
    async with httpx.AsyncClient(trust_env=False) as anyone:  # links are signed: no token
        result = await anyone.get(job["result_url"])
        mask = await anyone.get(job["mask_url"])
        original = await anyone.get(job["original_url"])
        forged = await anyone.get(job["result_url"].replace("signature=", "signature=0"))
    assert original.content == eye_jpeg
    assert forged.status_code == 404
    check_result(result.content, job)
    check_mask(mask.content, eye)


def check_job(job: dict[str, object]) -> None:
    assert job["status"] == "completed", job
    assert (job["progress"], job["current_step"], job["attempt_count"]) == (100, "Complete!", 1)
    assert set(job["step_ms"]) == {"loading", "segmenting", "removing_reflections", "enhancing", "saving"}  # type: ignore[call-overload]
    assert job["provider"] == "triton"
    assert 0 < float(str(job["quality_score"])) <= 1


def check_messages(messages: list[Message], job: dict[str, object]) -> None:
    progress = [int(str(message["progress"])) for message in messages]
    assert progress == sorted(progress) and progress[-1] == 100
    steps = list(dict.fromkeys(str(message["step"]) for message in messages))
    assert steps == [step for step in STEPS if step in steps] and steps[-1] == "Complete!"
    last = messages[-1]
    assert last["result_width"] == job["result_width"] and last["processing_time_ms"] == job["processing_time_ms"]


def check_result(jpeg: bytes, job: dict[str, object]) -> None:
    picture = Image.open(io.BytesIO(jpeg))
    assert picture.format == "JPEG" and picture.size == (job["result_width"], job["result_height"])
    assert picture.info["icc_profile"] and not picture.getexif()
    assert np.asarray(picture)[:8, :8].max() < 16, "black outside the iris"


def check_mask(png: bytes, eye: eyes.Drawn) -> None:
    mask, truth = np.asarray(Image.open(io.BytesIO(png))) == 255, eye.iris | eye.pupil
    assert mask.shape == truth.shape
    assert (mask & truth).sum() / (mask | truth).sum() > 0.9
