"""Further questions to a perceptual candidate: even areas, and places where two tiles of one picture meet."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.errors import IrisvueError
from orchestrator.inference.protocol import SCALE, Infer
from orchestrator.pipeline.pixels import Pixels
from orchestrator.publishing.golden import GoldenPicture

COLOURS = ((20, 18, 16), (128, 128, 128), (235, 230, 220), (150, 110, 90))  # pupil, grey, sclera, skin
SEAMS, SEAM_PX = 2, 8  # pictures of two tiles; width of the strip where they meet


@dataclass(frozen=True)
class Probes:
    """In levels: the largest standard deviation inside an even area, and how far two tiles are apart where they meet.

    Infinite where the candidate gave no answer.
    """

    unevenness: float
    seam: float


async def probe(infer: Infer, pictures: Sequence[GoldenPicture]) -> Probes:
    """Ask the candidate: five tiles in all."""
    try:
        uneven = _unevenness(await infer.upscale(even_tile(infer.tile_px)))
        seams = [await _seam(infer, picture.large) for picture in pictures if picture.large is not None][:SEAMS]
    except IrisvueError:
        return Probes(float("inf"), float("inf"))
    return Probes(uneven, max(seams))


def even_tile(side_px: int) -> Pixels:
    """(S, S, 3): a quarter in each of COLOURS."""
    half = side_px // 2
    rows = [np.repeat(np.array(COLOURS[n : n + 2], np.uint8), half, axis=0) for n in (0, 2)]
    return np.repeat(np.stack(rows), half, axis=0)


def _unevenness(enlarged: Pixels) -> float:
    """The largest standard deviation of a channel inside a quarter; its rim may show what is beside it."""
    half = enlarged.shape[0] // 2
    rim = half // 4
    inner = slice(rim, half - rim)
    quarters = (enlarged[y : y + half, x : x + half][inner, inner] for y in (0, half) for x in (0, half))
    return max(float(quarter.std(axis=(0, 1)).max()) for quarter in quarters)


async def _seam(infer: Infer, large: Pixels) -> float:
    """The mean difference of two tiles' enlargements on a strip around the line at which the pipeline joins them."""
    side, step = infer.tile_px, infer.tile_px - 2 * infer.reach_px
    joined = side - infer.reach_px
    left, right = [await infer.upscale(np.ascontiguousarray(large[:side, x : x + side])) for x in (0, step)]
    strips = [
        tile[:, (x - SEAM_PX // 2) * SCALE : (x + SEAM_PX // 2) * SCALE].astype(np.float32)
        for tile, x in ((left, joined), (right, joined - step))
    ]
    return float(np.abs(strips[0] - strips[1]).mean())
