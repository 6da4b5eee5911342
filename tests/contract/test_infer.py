"""Both providers keep the contract of `Infer` and return the same values."""

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from export.drawing import eyes
from orchestrator.config import Settings
from orchestrator.embedded.stack import Stack
from orchestrator.errors import ModelUnavailable
from orchestrator.inference import protocol
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.inference.protocol import Infer
from orchestrator.inference.provider import open_inference
from orchestrator.inference.triton import TritonInfer


@pytest.fixture(params=["triton", "local"])
async def infer(request: pytest.FixtureRequest, config: Settings) -> AsyncIterator[Infer]:
    opened = await open_inference(config.model_copy(update={"inference": request.param}))
    yield opened
    await opened.aclose()


def batch(side: int, seeds: range = range(3)) -> np.ndarray:
    return np.stack([eyes.draw(seed, side, side).image for seed in seeds])


async def test_segment_keeps_the_contract(infer: Infer) -> None:
    side = infer.segment_px
    segmentation = await infer.segment(batch(side))
    assert segmentation.probabilities.shape[:3] == (3, side, side)
    assert np.abs(segmentation.probabilities.sum(-1) - 1).max() < 1e-3
    assert segmentation.reflection.shape == (3, side, side)
    assert segmentation.presence.shape == (3,)


async def test_upscale_is_four_times_as_large_and_looks_alike(infer: Infer, eye: eyes.Drawn) -> None:
    side = infer.tile_px
    tile = np.ascontiguousarray(eye.image[:side, :side])
    large = await infer.upscale(tile)
    assert large.shape == (4 * side, 4 * side, 3)
    shrunk = large.reshape(side, 4, side, 4, 3).mean((1, 3))
    assert np.abs(shrunk - tile).mean() < 4


async def test_what_is_beyond_the_stated_reach_changes_nothing_that_shows(infer: Infer, eye: eyes.Drawn) -> None:
    side, half = infer.tile_px, infer.tile_px // 2
    tile = np.ascontiguousarray(eye.image[:side, :side])
    changed = tile.copy()
    changed[:, half:] = 255 - changed[:, half:]
    large, other = (await infer.upscale(tile)).astype(int), await infer.upscale(changed)
    within = 4 * (half - infer.reach_px)
    assert 8 <= infer.reach_px < half and np.abs(large - other)[:, :within].max() <= 1


async def test_versions_and_readiness(infer: Infer) -> None:
    assert await infer.ready()
    assert infer.versions.keys() == {protocol.SEGMENTER, protocol.ENHANCER}
    assert all(version.isdecimal() for version in infer.versions.values())


async def test_providers_agree(config: Settings, stack: Stack) -> None:
    """Triton and ONNX Runtime return the same values but for rounding."""
    triton, local = await TritonInfer.connect(config.triton_url, 30), OnnxInfer(Path(config.model_repository))
    images = batch(local.segment_px)
    by_triton, by_local = await triton.segment(images), await local.segment(images)
    assert np.abs(by_triton.probabilities - by_local.probabilities).max() < 1e-4
    assert np.abs(by_triton.presence - by_local.presence).max() < 1e-4
    tile = batch(local.tile_px, range(1))[0]
    difference = np.abs((await triton.upscale(tile)).astype(int) - await local.upscale(tile))
    assert difference.mean() < 1 and difference.max() <= 12, "bfloat16, where the processor has it"
    await triton.aclose()


async def test_a_server_that_does_not_answer_is_unavailable() -> None:
    with pytest.raises(ModelUnavailable):
        await TritonInfer.connect("127.0.0.1:9", 1.0)
