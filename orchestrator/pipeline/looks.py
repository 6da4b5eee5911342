"""Looks of the segmenter at squares of a photo, several in one call, and their mean."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.inference.protocol import IRIS, PUPIL, SCLERA, Infer
from orchestrator.pipeline.geometry import Square
from orchestrator.pipeline.pixels import Pixels
from orchestrator.pipeline.views import View

ProbabilityMap = NDArray[np.float32]

IMAGES_PER_CALL = 8
LEAST_WEIGHT = 0.02  # of a look that sees no eye, in a mean


@dataclass(frozen=True)
class Look:
    """What the segmenter sees in one square.

    `disc` (iris or pupil), `pupil`, `sclera` and `reflection` are (S, S), 0–1; `presence`, 0–1, that an open eye is in
    it.
    """

    disc: ProbabilityMap
    pupil: ProbabilityMap
    sclera: ProbabilityMap
    reflection: ProbabilityMap
    presence: float


async def look(photo: Pixels, wanted: Sequence[tuple[Square, View]], infer: Infer) -> list[Look]:
    """One look at each square in its view, on the square's own grid."""
    cut: dict[Square, Pixels] = {}
    looks: list[Look] = []
    for start in range(0, len(wanted), IMAGES_PER_CALL):
        few = wanted[start : start + IMAGES_PER_CALL]
        for square, _ in few:
            if square not in cut:
                cut[square] = await asyncio.to_thread(square.cut, photo, infer.segment_px)
        segmentation = await infer.segment(np.stack([view.show(cut[square]) for square, view in few]))
        for n, (_, view) in enumerate(few):
            classes = view.undo(segmentation.probabilities[n])
            sclera = classes[..., SCLERA] if classes.shape[2] > SCLERA else np.zeros_like(classes[..., 0])
            disc = classes[..., IRIS] + classes[..., PUPIL]
            reflection = view.undo(segmentation.reflection[n])
            looks.append(Look(disc, classes[..., PUPIL], sclera, reflection, float(segmentation.presence[n])))
    return looks


def mean_look(looks: Sequence[Look], squares: Sequence[Square], onto: Square) -> Look:
    """The mean of looks on the grid of one square; the more of an eye a look sees, the more it counts.

    Places that a look did not cover count as background. `presence` is the plain mean.
    """
    presences = np.array([look.presence for look in looks])
    weights = np.maximum(presences, LEAST_WEIGHT) / np.maximum(presences, LEAST_WEIGHT).sum()
    maps = np.zeros((*looks[0].disc.shape, 4), np.float32)
    for weight, seen, square in zip(weights, looks, squares, strict=True):
        layers = np.dstack([seen.disc, seen.pupil, seen.sclera, seen.reflection])
        maps += np.float32(weight) * _onto(layers, square, onto)
    disc, pupil, sclera, reflection = np.ascontiguousarray(maps.transpose(2, 0, 1))
    return Look(disc, pupil, sclera, reflection, float(presences.mean()))


def _onto(layers: NDArray[np.float32], square: Square, onto: Square) -> NDArray[np.float32]:
    """(S, S, C) maps of `square` on the grid of `onto`; 0 beyond `square`."""
    if square == onto:
        return layers
    side = len(layers)
    scale, pixel = onto.side / square.side, side / square.side
    x, y = ((a - b) * pixel + (scale - 1) / 2 for a, b in ((onto.x, square.x), (onto.y, square.y)))
    grid = np.array([[scale, 0, x], [0, scale, y]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(layers, grid, (side, side), flags=flags), np.float32)
