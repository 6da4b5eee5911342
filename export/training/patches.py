"""What the enhancer is trained on: sharp patches of drawn irises and textures, beside the same ones made small."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from export.training import dataset
from export.training.degrade import SCALE, degrade, shrink

TILE_PX, BATCH = 32, 16
TEXTURES_SHARE = 0.5
SOFT, SOFT_PX = 0.75, (0.4, 2.4)  # lenses are soft: a network that only saw drawings sharpens photos too far
SCORED = 48  # pairs of each kind
SCORING_SEED = 3

Patch = NDArray[np.uint8]
Rng = np.random.Generator
Pairs = tuple[torch.Tensor, torch.Tensor]  # small and sharp, (N, 3, H, W) float 0–1


@dataclass(frozen=True)
class Sharp:
    """What patches are cut from: drawn irises with their labels, and textures (N, S, S, 3) uint8."""

    irises: dataset.Pictures
    textures: NDArray[np.uint8]

    def patch(self, rng: Rng, texture: bool) -> Patch:
        """A random square of TILE_PX · SCALE pixels, turned, flipped and softened at random."""
        patch = self._of_texture(rng) if texture else self._of_iris(rng)
        if rng.random() < 0.5:
            patch = patch[:, ::-1]
        turned = np.ascontiguousarray(np.rot90(patch, int(rng.integers(4))))
        if rng.random() < SOFT:
            turned = np.asarray(cv2.GaussianBlur(turned, (0, 0), rng.uniform(*SOFT_PX)), np.uint8)
        return turned

    def _of_texture(self, rng: Rng) -> Patch:
        side, size = TILE_PX * SCALE, self.textures.shape[1]
        n, x, y = int(rng.integers(len(self.textures))), *rng.integers(0, size - side, 2)
        return np.asarray(self.textures[n, y : y + side, x : x + side])

    def _of_iris(self, rng: Rng) -> Patch:
        """Most often a patch on the iris."""
        side, size = TILE_PX * SCALE, self.irises.images.shape[1]
        n = int(rng.integers(len(self.irises.is_eye)))
        for _ in range(4):
            x, y = rng.integers(0, size - side, 2)
            labels = dataset.classes(self.irises.labels[n, y : y + side : 8, x : x + side : 8])
            cover = np.isin(labels, (dataset.IRIS, dataset.PUPIL)).mean()
            if cover > 0.4 or rng.random() < 0.15:
                break
        return np.asarray(self.irises.images[n, y : y + side, x : x + side])


def random_batch(rng: Rng, source: Sharp) -> Pairs:
    """One batch to train on."""
    sharp = [source.patch(rng, rng.random() < TEXTURES_SHARE) for _ in range(BATCH)]
    return _as_batch([degrade(rng, patch) for patch in sharp], sharp)


def held_out_pairs(source: Sharp) -> dict[str, Pairs]:
    """The same pairs every time: irises and textures, only shrunk and degraded at random."""
    rng = np.random.default_rng(SCORING_SEED)
    pairs = {}
    for kind in ("iris", "texture"):
        sharp = [source.patch(rng, kind == "texture") for _ in range(SCORED)]
        pairs[f"{kind}, shrunk"] = _as_batch([shrink(patch) for patch in sharp], sharp)
        pairs[f"{kind}, degraded"] = _as_batch([degrade(rng, patch) for patch in sharp], sharp)
    return pairs


def _as_batch(small: list[Patch], sharp: list[Patch]) -> Pairs:
    first, second = (torch.from_numpy(np.stack(x)).permute(0, 3, 1, 2).float() / 255.0 for x in (small, sharp))
    return first, second
