"""Names, shapes and dtypes of the networks, and what every provider can do with them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

SEGMENTER, ENHANCER, PREVIEW = "iris_unet", "realesrgan", "iris_preview"
BACKGROUND, IRIS, PUPIL, SCLERA = 0, 1, 2, 3  # classes; a network may lack the last, and have more
SCALE = 4  # of the enhancer
REACH = "reach_px"  # parameter of the enhancer's config.pbtxt
UNKNOWN_REACH_PX = 28  # of an enhancer whose config does not say it
# How far a TensorRT plan's answers may be from its ONNX file's (probability; grey levels), for 999 of 1,000 values.
PLAN_TOLERANCE = {SEGMENTER: 0.03, ENHANCER: 2.0}

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]


def preview_ensemble(segmenter: str, enhancer: str) -> str:
    """The name of the ensemble published with these two versions; the ensemble of the shipped pair is PREVIEW."""
    return f"{PREVIEW}_u{segmenter}_r{enhancer}"


@dataclass(frozen=True)
class Segmentation:
    """The segmenter's outputs, float32, 0–1.

    `probabilities` (N, S, S, C) of the classes, which sum to 1; `reflection` (N, S, S): the cornea reflects something
    at this pixel; `presence` (N,): an open human eye is in the picture.
    """

    probabilities: Floats
    reflection: Floats
    presence: Floats


class Infer(Protocol):
    """Runs the networks. Two providers pass the same contract test: `triton` and `local`."""

    provider: str
    segment_px: int  # side of the segmenter's input
    tile_px: int  # side of the enhancer's input
    reach_px: int  # how far around a pixel the enhancer looks, in pixels of its input
    versions: dict[str, str]  # in use, by model: the newest unless `pinned`
    available: dict[str, list[str]]  # by model, oldest first
    on_busy: Callable[[], None]  # called whenever a model's queue is full

    def pinned(self, versions: Mapping[str, str], background: bool = False) -> Self:
        """The same networks in these versions, over the same connection; `background` calls let the others go first."""
        ...

    async def segment(self, images: Pixels) -> Segmentation:
        """Segment (N, S, S, 3) uint8 sRGB with S = segment_px. Raises ModelUnavailable, BadModelOutput."""
        ...

    async def upscale(self, tile: Pixels) -> Pixels:
        """Enlarge (T, T, 3) uint8 sRGB with T = tile_px to (4T, 4T, 3). Raises ModelUnavailable, BadModelOutput."""
        ...

    async def preview(self, image: Pixels) -> Pixels | None:
        """A preview, (4T, 4T, 3), of (S, S, 3) uint8 in one call; None where the provider has no ensemble.

        Raises NoIrisFound, ModelUnavailable, BadModelOutput.
        """
        ...

    async def ready(self) -> bool:
        """Whether both networks can be called now."""
        ...

    async def aclose(self) -> None:
        """Close the connection or the sessions."""
        ...
