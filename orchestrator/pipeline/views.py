"""How the segmenter is shown a square of a photo: in which tones, flipped, turned."""

from dataclasses import dataclass
from enum import StrEnum, auto

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.pixels import Pixels

DARKEST, BRIGHTEST = 0.01, 0.99  # quantiles of a channel that become 0 and 255
LIFTED = 0.0, 0.8
GAMMA = 0.7  # lifts what is in shadow


class Tones(StrEnum):
    """PLAIN: as photographed. STRETCHED: each channel over the entire range, and the shadows lifted.

    LIFTED: likewise, but for the lightest fifth, which is given up: a dark eye beside bright skin or sclera. RED: the
    red channel stretched, in grey: brown irises and skin differ most there.
    """

    PLAIN = auto()
    STRETCHED = auto()
    LIFTED = auto()
    RED = auto()


@dataclass(frozen=True)
class View:
    """One way to show a square. `turn` is in quarter turns, counter-clockwise."""

    tones: Tones = Tones.PLAIN
    flipped: bool = False
    turn: int = 0

    def show(self, image: Pixels) -> Pixels:
        """(S, S, 3) uint8 as the network is to see it."""
        turned = np.rot90(_toned(image, self.tones), self.turn)
        return turned[:, ::-1] if self.flipped else turned

    def undo(self, maps: NDArray[np.float32]) -> NDArray[np.float32]:
        """Maps (S, S, ...) of the picture shown, as maps of the square."""
        return np.rot90(maps[:, ::-1] if self.flipped else maps, -self.turn)


def _toned(image: Pixels, tones: Tones) -> Pixels:
    match tones:
        case Tones.PLAIN:
            return image
        case Tones.STRETCHED:
            return stretch(image)
        case Tones.LIFTED:
            return stretch(image, *LIFTED)
        case Tones.RED:
            return np.repeat(stretch(image)[..., :1], 3, axis=2)


def stretch(image: Pixels, darkest: float = DARKEST, brightest: float = BRIGHTEST) -> Pixels:
    """Each channel of (H, W, 3) from its darkest to its brightest pixels, then a gamma: no cast, no dim light."""
    tables = np.empty((1, 256, 3), np.uint8)
    for channel in range(3):
        share = np.cumsum(cv2.calcHist([image], [channel], None, [256], [0, 256]).ravel()) / image[..., 0].size
        low, high = np.searchsorted(share, (darkest, brightest))
        values = np.clip((np.arange(256) - low) / max(high - low, 1), 0, 1)
        tables[0, :, channel] = np.round(255 * values**GAMMA)
    return np.asarray(cv2.LUT(image, tables), np.uint8)
