"""Which calls go first in Triton's queue, what happens when it is full, and how that reaches clients."""

import asyncio
from collections.abc import AsyncIterator
from copy import copy
from uuid import uuid4

import httpx
import numpy as np
import pytest

from orchestrator import queue
from orchestrator.auth.tokens import make_token
from orchestrator.config import Settings
from orchestrator.embedded.stack import Stack
from orchestrator.errors import ModelUnavailable
from orchestrator.inference.protocol import SEGMENTER
from orchestrator.inference.triton import TritonInfer
from orchestrator.publishing.triton_control import open_control
from orchestrator.services import Services
from tests.networks import SHIPPED

QUEUE = {"timeout_action": "REJECT", "allow_timeout_override": True, "max_queue_size": 4}
BATCHING = {"priority_levels": 2, "default_priority_level": 1, "default_queue_policy": QUEUE}


@pytest.fixture
async def infer(config: Settings) -> AsyncIterator[TritonInfer]:
    opened = await TritonInfer.connect(config.triton_url, 60)
    yield opened
    await opened.aclose()


async def test_interactive_calls_go_before_background_calls(infer: TritonInfer) -> None:
    tile = np.zeros((infer.tile_px, infer.tile_px, 3), np.uint8)
    background = infer.pinned({}, background=True)
    waiting = [asyncio.create_task(background.upscale(tile)) for _ in range(24)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    done_before = sum(task.done() for task in waiting)
    await infer.upscale(tile)
    done_after = sum(task.done() for task in waiting)
    await asyncio.gather(*waiting)
    assert done_after - done_before <= 16, "at most the two batches that were running already"
    assert done_after < 24


async def test_a_full_queue_is_waited_for_and_reported(infer: TritonInfer, config: Settings) -> None:
    reports = 0

    def busy() -> None:
        nonlocal reports
        reports += 1

    async with (
        open_control(config.triton_url, config.triton_control_key) as control,
        control.candidate(SEGMENTER, "model.onnx", SHIPPED, dynamic_batching=BATCHING) as name,
    ):
        limited = copy(infer)
        limited.names, limited.on_busy = {SEGMENTER: name}, busy
        picture = np.zeros((1, infer.segment_px, infer.segment_px, 3), np.uint8)
        segmentations = await asyncio.gather(*(limited.segment(picture) for _ in range(60)))
        assert len(segmentations) == 60 and reports > 0


async def test_a_call_that_has_waited_too_long_is_dropped(config: Settings) -> None:
    hasty = await TritonInfer.connect(config.triton_url, 0.3)
    tile = np.zeros((hasty.tile_px, hasty.tile_px, 3), np.uint8)
    outcomes = await asyncio.gather(*(hasty.upscale(tile) for _ in range(24)), return_exceptions=True)
    assert any(isinstance(answer, ModelUnavailable) for answer in outcomes)
    patient = await TritonInfer.connect(config.triton_url, 30)
    assert (await patient.upscale(tile)).shape == (hasty.tile_px * 4, hasty.tile_px * 4, 3)
    for infer in (hasty, patient):
        await infer.aclose()


async def test_submitting_is_refused_while_the_models_are_busy(
    stack: Stack, services: Services, eye_jpeg: bytes
) -> None:
    headers = {"Authorization": f"Bearer {make_token(uuid4(), stack.env['IRISVUE_JWT_SECRET'])}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, trust_env=False) as api:
        photo = (await api.post("/api/v1/photos", files={"file": eye_jpeg})).json()["id"]
        await queue.report_models_busy(services.redis)
        assert 0 < await services.redis.ttl(queue.MODELS_BUSY) <= queue.MODELS_BUSY_S
        response = await api.post("/api/v1/processing/submit", json={"photo_id": photo})
        assert response.status_code == 429 and response.headers["retry-after"] == "5", response.text
        await services.redis.delete(queue.MODELS_BUSY)
        assert (await api.post("/api/v1/processing/submit", json={"photo_id": photo})).status_code == 202
