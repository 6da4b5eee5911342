"""Both providers keep the same promises and give the same answers."""

from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from export.drawing import eyes
from orchestrator.config import Settings
from orchestrator.embedded.stack import Stack
from orchestrator.errors import BadModelOutput, ModelUnavailable
from orchestrator.inference import checks, protocol
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
    found = await infer.segment(batch(side))
    assert found.probabilities.shape[:3] == (3, side, side)
    assert np.abs(found.probabilities.sum(-1) - 1).max() < 1e-3
    assert found.reflection.shape == (3, side, side)
    assert found.presence.shape == (3,)


async def test_upscale_is_four_times_as_large_and_looks_alike(infer: Infer, eye: eyes.Drawn) -> None:
    side = infer.tile_px
    tile = np.ascontiguousarray(eye.image[:side, :side])
    large = await infer.upscale(tile)
    assert large.shape == (4 * side, 4 * side, 3)
    again = large.reshape(side, 4, side, 4, 3).mean((1, 3))
    assert np.abs(again - tile).mean() < 4


async def test_versions_and_readiness(infer: Infer) -> None:
    assert await infer.ready()
    assert infer.versions.keys() == {protocol.SEGMENTER, protocol.ENHANCER}
    assert all(version.isdecimal() for version in infer.versions.values())


async def test_providers_agree(config: Settings, stack: Stack) -> None:
    """What Triton answers equals ONNX Runtime's answer, to a rounding."""
    triton, local = await TritonInfer.connect(config.triton_url, 30), OnnxInfer(Path(config.model_repository))
    images = batch(local.segment_px)
    remote, here = await triton.segment(images), await local.segment(images)
    assert np.abs(remote.probabilities - here.probabilities).max() < 1e-4
    assert np.abs(remote.presence - here.presence).max() < 1e-4
    tile = batch(local.tile_px, range(1))[0]
    apart = np.abs((await triton.upscale(tile)).astype(int) - await local.upscale(tile))
    assert apart.max() <= 1
    await triton.aclose()


async def test_no_server_is_unavailable_not_a_hang() -> None:
    with pytest.raises(ModelUnavailable):
        await TritonInfer.connect("127.0.0.1:9", 1.0)


def outputs(n: int = 1, side: int = 8) -> list[np.ndarray]:
    shapes = [(n, side, side, 4), (n, side, side, 1), (n, 1)]
    return [np.full(shape, 0.25, np.float32) for shape in shapes]


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("wrong", [np.nan, np.inf, -0.5, 1.5])
def test_impossible_values_are_not_trusted(which: int, wrong: float) -> None:
    found = outputs()
    found[which].flat[0] = wrong
    with pytest.raises(BadModelOutput):
        checks.checked_segmentation(found, 1, 8)


@pytest.mark.parametrize("which", range(3))
def test_wrong_shapes_are_not_trusted(which: int) -> None:
    found = outputs()
    found[which] = found[which][..., :0]
    with pytest.raises(BadModelOutput, match="expected"):
        checks.checked_segmentation(found, 1, 8)
    with pytest.raises(BadModelOutput):
        checks.checked_tile(np.zeros((1, 8, 8, 3), np.float32), 2)
