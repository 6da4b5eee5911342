"""Names, shapes and dtypes of the networks, and what every provider of them can do."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

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
