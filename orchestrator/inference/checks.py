"""Checks of what the networks return, before anything uses it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import BadModelOutput
from orchestrator.inference.protocol import ENHANCER, SCALE, SEGMENTER, Pixels, Segmentation

SEGMENTER_OUTPUTS = ["probabilities", "reflection", "presence"]


def checked_segmentation(outputs: Sequence[NDArray[np.generic]], n: int, side: int) -> Segmentation:
    """The segmentation of `n` images from SEGMENTER_OUTPUTS. Raises BadModelOutput for wrong shapes or values."""
    probabilities, reflection, presence = outputs
    grid, shapes = (n, side, side), [o.shape for o in outputs]
    if probabilities.ndim != 4 or probabilities.shape[:3] != grid or probabilities.shape[3] < 3:
        raise BadModelOutput(f"{SEGMENTER}: got {shapes}, expected probabilities {(*grid, '3 or more')}")
    if reflection.shape != (*grid, 1) or presence.shape != (n, 1):
        raise BadModelOutput(f"{SEGMENTER}: got {shapes}, expected reflection {(*grid, 1)} and presence {(n, 1)}")
    floats = [o.astype(np.float32, copy=False) for o in outputs]
    for name, values in zip(SEGMENTER_OUTPUTS, floats, strict=True):
        if not (values.min() >= -1e-3 and values.max() <= 1 + 1e-3):  # NaN fails both
            raise BadModelOutput(f"{SEGMENTER}: {name} outside 0–1")
    return Segmentation(floats[0], floats[1][..., 0], floats[2][:, 0])


def checked_tile(enhanced: NDArray[np.generic], side: int) -> Pixels:
    """The one enlarged tile, (4 · side, 4 · side, 3). Raises BadModelOutput for another shape or dtype."""
    expected = (1, side * SCALE, side * SCALE, 3)
    if enhanced.shape != expected or enhanced.dtype != np.uint8:
        raise BadModelOutput(f"{ENHANCER}: got {enhanced.shape} {enhanced.dtype}, expected {expected} uint8")
    return np.asarray(enhanced[0], np.uint8)
