"""The image steps after segmentation, and all of them in a run, with the shipped networks on drawn eyes."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from export.drawing import eyes
from orchestrator.config import ROOT
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.pipeline.crop import crop_iris
from orchestrator.pipeline.decoder import Decoder
from orchestrator.pipeline.enhance import upscale
from orchestrator.pipeline.images import decode, encode_jpeg
from orchestrator.pipeline.pixels import Pixels
from orchestrator.pipeline.reflections import remove_reflections
from orchestrator.pipeline.run import Budget, run
from orchestrator.pipeline.segment import segment
from orchestrator.pipeline.steps import WORDS
from tests.conftest import drawn_eye

BUDGET = Budget(50_000_000, 4096, 4)


@cache
def local() -> OnnxInfer:
    return OnnxInfer(ROOT / "model_repository")


async def test_reflections_are_removed_and_other_pixels_kept() -> None:
    """On held-out eyes, what was filled comes nearer to the eye drawn without reflections."""
    gains = []
    for seed in range(9_920_000, 9_920_016):
        drawn = eyes.draw(seed, 480, 360, "closeup", mild=True)
        if drawn.reflection.sum() < 200:
            continue
        masks = await segment(drawn.image, local())
        crop, clean = crop_iris(drawn.image, masks, 1024), crop_iris(drawn.clean, masks, 1024)
        cleaned = remove_reflections(crop.picture, crop.masks)
        drawn_reflection = np.repeat(drawn.reflection[..., None], 3, 2).astype(np.uint8)
        reflection = (crop_iris(drawn_reflection, masks, 1024).picture[..., 0] > 0) & crop.masks.iris
        before, after = (
            np.square(picture[reflection].astype(float) - clean.picture[reflection]).mean()
            for picture in (crop.picture, cleaned.photo)
        )
        gains.append(10 * np.log10(before / max(after, 1e-6)))
        outside = ~crop.masks.iris
        assert (cleaned.photo[outside] == crop.picture[outside]).all()
    assert len(gains) >= 5
    assert np.median(gains) > 3, f"dB: {np.round(gains, 1)}"


async def upscale_all(picture: Pixels) -> Pixels:
    async def report(share: float) -> None:
        assert 0 < share <= 1

    return await upscale(picture, np.ones(picture.shape[:2], bool), local(), 4, report)


async def test_tiles_leave_no_seam() -> None:
    """Tiles at other places give the same pixels, so nothing shows where a tile ends."""
    picture = drawn_eye(492, 480, 360).image[:300, :400]
    from_origin = (await upscale_all(picture)).astype(int)
    shifted = (await upscale_all(np.ascontiguousarray(picture[:, 37:]))).astype(int)
    away_from_the_edge = np.s_[:, 4 * 30 :]
    difference = from_origin[:, 4 * 37 :][away_from_the_edge] - shifted[away_from_the_edge]
    assert np.abs(difference).max() <= 2


async def test_a_large_iris_is_shrunk_with_a_warning() -> None:
    reports: list[tuple[str, int]] = []
    sizes: list[int] = []

    async def report(step: str, percent: int, *, result_px: int | None = None) -> None:
        reports.append((step, percent))
        sizes.extend([result_px] if result_px else [])

    data = encode_jpeg(eyes.draw(492, 640, 480, "closeup", mild=True).image)
    async with Decoder(1, 2**31, 10**8) as decoder:
        result = await run(data, local(), decoder, replace(BUDGET, max_result_px=256), report)
    assert (result.width, result.height) == (256, 256) and sizes == [256**2]
    assert any("reduced" in words for words in result.warnings)
    assert decode(result.jpeg, 10**9).shape == (256, 256, 3)
    assert [progress for _, progress in reports] == sorted(progress for _, progress in reports)
    assert {step for step, _ in reports} < set(WORDS)


async def test_report_may_stop_the_run() -> None:
    class Stop(Exception):
        pass

    async def report(step: str, percent: int, *, result_px: int | None = None) -> None:
        if percent > 60:
            raise Stop

    async with Decoder(1, 2**31, 10**8) as decoder:
        with pytest.raises(Stop):
            await run(encode_jpeg(drawn_eye().image), local(), decoder, BUDGET, report)
