"""Names, shapes and dtypes of the networks; what comes back is checked here before anyone trusts it."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import BadModelOutput

SEGMENTER, ENHANCER = "iris_unet", "realesrgan"
BACKGROUND, IRIS, PUPIL = 0, 1, 2  # further classes may follow
SCALE = 4

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Segmentation:
    """`probabilities` (N, S, S, C) float32 that sum to 1 and `presence` (N,), 0–1: an open human eye is here."""

    probabilities: Floats
    presence: Floats


class Infer(Protocol):
    """Runs the networks. Two providers pass the same contract test: `triton` and `local`."""

    provider: str
    segment_px: int
    tile_px: int
    versions: dict[str, str]

    async def segment(self, images: Bytes) -> Segmentation:
        """(N, S, S, 3) uint8 sRGB with S = segment_px. Raises ModelUnavailable, BadModelOutput."""
        ...

    async def upscale(self, tile: Bytes) -> Bytes:
        """(T, T, 3) uint8 sRGB with T = tile_px → (4T, 4T, 3). Raises ModelUnavailable, BadModelOutput."""
        ...

    async def ready(self) -> bool:
        """Whether both networks can be called now."""
        ...

    async def aclose(self) -> None:
        """Give the connection or the sessions back."""
        ...


def checked_segmentation(probabilities: NDArray[np.generic], presence: NDArray[np.generic], n: int, side: int) -> Segmentation:
    """Raises BadModelOutput unless shapes, dtype and range are the contract's."""
    shape = probabilities.shape
    if len(shape) != 4 or shape[:3] != (n, side, side) or shape[3] < 3 or presence.size != n:
        raise BadModelOutput(f"{SEGMENTER}: got {shape} and {presence.shape}, expected ({n}, {side}, {side}, ≥3)")
    if not (np.isfinite(probabilities).all() and np.isfinite(presence).all()):
        raise BadModelOutput(f"{SEGMENTER}: NaN or infinity in the answer")
    found = probabilities.astype(np.float32, copy=False)
    if found.min() < -1e-3 or found.max() > 1 + 1e-3:
        raise BadModelOutput(f"{SEGMENTER}: probabilities outside 0–1")
    return Segmentation(found, presence.reshape(n).astype(np.float32))


def checked_tile(enhanced: NDArray[np.generic], side: int) -> Bytes:
    """Raises BadModelOutput unless it is one uint8 tile, four times as large."""
    expected = (1, side * SCALE, side * SCALE, 3)
    if enhanced.shape != expected or enhanced.dtype != np.uint8:
        raise BadModelOutput(f"{ENHANCER}: got {enhanced.shape} {enhanced.dtype}, expected {expected} uint8")
    return enhanced[0]
