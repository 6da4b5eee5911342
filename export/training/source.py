"""Which drawn pictures the segmentation network is trained and scored on."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.drawing.eyes import Kind
from export.training import dataset

HELD_OUT_SEED = 9_000_000
SHARP_OFFSET, TRAP_OFFSET = 500_000, 700_000
TEXTURE_PX, TEXTURE_SEED = 384, 2_000_000


@dataclass(frozen=True)
class Source:
    """The pictures to train on and to score on, drawn into `folder` the first time.

    With `sharp` above 0, there are as many sharp, well lit crops of an iris in a batch as pictures of every kind; with
    `traps` above 0, as many pictures without an eye. With `phones` above 0, every other picture is an eye as phones
    take it. With `textures` above 0, that many drawn textures change surfaces and light. Pictures are drawn `side_px`
    large.
    """

    folder: Path
    pictures: int
    first_seed: int
    sharp: int = 0
    traps: int = 0
    phones: int = 0
    textures: int = 0
    held_out: int = 600
    side_px: int = 256

    def training(self) -> list[dataset.Pictures]:
        """The sets that a batch takes pictures from in turn."""
        sets = [dataset.eye_pictures(self.folder, self.pictures, self.side_px, self.first_seed)]
        if self.sharp:
            sets.append(self._drawn(self.sharp, self.first_seed + SHARP_OFFSET, "crop", mild=True))
        if self.traps:
            sets.append(self._drawn(self.traps, self.first_seed + TRAP_OFFSET, "trap"))
        if self.phones:
            phones = self._drawn(self.phones, self.first_seed, "phone")
            sets = [one for other in sets for one in (other, phones)]
        return sets

    def _drawn(self, count: int, first_seed: int, kind: Kind, mild: bool = False) -> dataset.Pictures:
        return dataset.eye_pictures(self.folder, count, self.side_px, first_seed, kind, mild)

    def surfaces(self) -> NDArray[np.uint8] | None:
        """The textures (N, S, S, 3), None where there are none."""
        return dataset.textures(self.folder, self.textures, TEXTURE_PX, TEXTURE_SEED) if self.textures else None

    def scoring(self) -> dataset.Pictures:
        """Pictures that are never trained on."""
        return dataset.eye_pictures(self.folder, self.held_out, self.side_px, HELD_OUT_SEED)
