"""The embedded Triton serves the repository unchanged and makes batches of concurrent requests."""

import asyncio
import os
from pathlib import Path

import numpy as np
import pytest
from tritonclient.grpc import InferInput
from tritonclient.grpc.aio import InferenceServerClient
from tritonclient.utils import InferenceServerException

from export.drawing import eyes
from orchestrator.config import Settings
from orchestrator.embedded.stack import Stack
from orchestrator.inference.channel import CHANNEL_OPTIONS
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.inference.protocol import SEGMENTER
from orchestrator.inference.triton import TritonInfer
from tests.monitoring import batches
from tests.waiting import until


async def test_concurrent_requests_share_batches_and_answers_stay_right(config: Settings) -> None:
    infer, local = await TritonInfer.connect(config.triton_url, 60), OnnxInfer(Path(config.model_repository))
    client = InferenceServerClient(config.triton_url)
    before = await batches(client, SEGMENTER)
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (12, 1, infer.segment_px, infer.segment_px, 3)).astype(np.uint8)
    answers = await asyncio.gather(*map(infer.segment, images))

    async def counted() -> dict[int, int] | None:
        """The batches, once the server has counted all twelve pictures: it counts after it has answered."""
        after = await batches(client, SEGMENTER)
        ran = {size: count - before.get(size, 0) for size, count in after.items() if count != before.get(size, 0)}
        return ran if sum(size * count for size, count in ran.items()) == 12 else None

    ran = await until(counted, 10)
    assert max(ran) > 1, f"no two requests shared a batch: {ran}"
    assert sum(ran.values()) < 12
    for image, answer in zip(images, answers, strict=True):
        expected = await local.segment(image)
        assert np.abs(answer.probabilities - expected.probabilities).max() < 1e-4
    await client.close()
    await infer.aclose()


async def test_preview_ensemble_makes_a_picture_in_one_call(config: Settings) -> None:
    client = InferenceServerClient(config.triton_url, channel_args=CHANNEL_OPTIONS)

    async def preview(image: np.ndarray) -> np.ndarray:
        tensor = InferInput("image", [1, *image.shape], "UINT8")
        tensor.set_data_from_numpy(image[None])
        return np.asarray((await client.infer("iris_preview", [tensor])).as_numpy("preview")[0])

    picture = await preview(eyes.draw(492, 256, 256, "closeup", mild=True).image)
    assert picture.shape == (1024, 1024, 3)
    assert picture[:40, :40].max() < 16, "black around the iris"
    assert 8 < picture[300:700, 300:700].mean() < 220
    with pytest.raises(InferenceServerException, match="Iris not detected in image"):
        await preview(np.full((256, 256, 3), 120, np.uint8))
    await client.close()


def test_photos_let_the_api_go_first_and_networks_let_photos(stack: Stack) -> None:
    niceness = {name: os.getpriority(os.PRIO_PROCESS, one.pid) for name, one in stack.processes.items()}
    assert niceness["triton"] > niceness["worker-1"] > niceness["api"]
    assert niceness["postgres"] == niceness["redis"] == niceness["api"]
