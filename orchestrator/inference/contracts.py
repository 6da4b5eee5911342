"""Names, shapes and dtypes of the networks; what comes back is checked here before anyone trusts it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import BadModelOutput

SEGMENTER, ENHANCER, PREVIEW = "iris_unet", "realesrgan", "iris_preview"
BACKGROUND, IRIS, PUPIL = 0, 1, 2  # further classes may follow
SCALE = 4

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


def preview_of(segmenter: str, enhancer: str) -> str:
    """The name of the ensemble that is published with a pair of versions; the shipped pair's is PREVIEW itself."""
    return f"{PREVIEW}_u{segmenter}_r{enhancer}"


@dataclass(frozen=True)
class Segmentation:
    """What the segmenter says, all 0–1, float32.

    `probabilities` (N, S, S, C) of the classes, summing to 1; `reflection` (N, S, S): the cornea mirrors
    something here; `presence` (N,): an open human eye is in the picture.
    """

    probabilities: Floats
    reflection: Floats
    presence: Floats


class Infer(Protocol):
    """Runs the networks. Two providers pass the same contract test: `triton` and `local`."""

    provider: str
    segment_px: int
    tile_px: int
    versions: dict[str, str]  # that serve: the newest, until `pinned` says otherwise
    available: dict[str, list[str]]  # by model, oldest first
    on_busy: Callable[[], None]  # hears of it whenever the line before the models is full

    def pinned(self, versions: Mapping[str, str], background: bool = False) -> Self:
        """The same networks in these versions, over the same connection; `background` calls wait for the others."""
        ...

    async def segment(self, images: Bytes) -> Segmentation:
        """(N, S, S, 3) uint8 sRGB with S = segment_px. Raises ModelUnavailable, BadModelOutput."""
        ...

    async def upscale(self, tile: Bytes) -> Bytes:
        """(T, T, 3) uint8 sRGB with T = tile_px → (4T, 4T, 3). Raises ModelUnavailable, BadModelOutput."""
        ...

    async def preview(self, image: Bytes) -> Bytes | None:
        """(S, S, 3) uint8 with S = segment_px → (4T, 4T, 3) in one call; None where the provider has no ensemble.

        Raises NoIrisFound, ModelUnavailable, BadModelOutput.
        """
        ...

    async def ready(self) -> bool:
        """Whether both networks can be called now."""
        ...

    async def aclose(self) -> None:
        """Give the connection or the sessions back."""
        ...


SEGMENTER_OUTPUTS = ["probabilities", "reflection", "presence"]


def checked_segmentation(outputs: Sequence[NDArray[np.generic]], n: int, side: int) -> Segmentation:
    """Raises BadModelOutput unless shapes and range of SEGMENTER_OUTPUTS are the contract's."""
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


def checked_tile(enhanced: NDArray[np.generic], side: int) -> Bytes:
    """Raises BadModelOutput unless it is one uint8 tile, four times as large."""
    expected = (1, side * SCALE, side * SCALE, 3)
    if enhanced.shape != expected or enhanced.dtype != np.uint8:
        raise BadModelOutput(f"{ENHANCER}: got {enhanced.shape} {enhanced.dtype}, expected {expected} uint8")
    return np.asarray(enhanced[0], np.uint8)
