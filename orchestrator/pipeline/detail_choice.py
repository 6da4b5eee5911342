"""Chooses how much of the enhancer's detail goes into a result, and takes some of it back.

A network that adds detail takes whatever it sees for something: noise becomes hair, the edges of JPEG blocks become a
grid. So by default both are measured in each photo.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.inference.protocol import SCALE
from orchestrator.pipeline.detail import Detail
from orchestrator.pipeline.pixels import Mask, Pixels

NATURAL_SHARE = 0.4  # of the enhancer's picture in a natural result; the rest is interpolated
# Irises of 29 development photos have noise of 0 to 1.6 levels, and 2.2 to 3.0 with noise of σ 4 added to each channel;
# a blockiness of 1.0 to 1.5, four of 1.8 to 2.2, and 1.3 to 3.3 once saved as JPEG of quality 50.
MOST_NOISE, MOST_BLOCKINESS = 1.9, 1.6
CELL_PX = 8  # side of a JPEG block, and of the squares in which noise is measured
CALM = 20  # percent of the squares, the calmest ones, in which what varies is noise
LEAST_CELLS = 12
LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32) / 6  # blind to slopes; keeps white noise's σ


def choose(photo: Pixels, iris: Mask) -> Detail:
    """Crisp where the photo, (H, W, 3) uint8 before any enhancement, is clean in its iris, (H, W) bool."""
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return "crisp" if noise(grey, iris) <= MOST_NOISE and blockiness(grey, iris) <= MOST_BLOCKINESS else "natural"


def noise(grey: NDArray[np.float32], where: Mask) -> float:
    """Standard deviation of the noise in grey levels, 0–255, measured where the picture is calmest.

    Source: the mask of Immerkær 1996, "Fast Noise Variance Estimation", here over squares, so that fibres don't count.
    """
    answer = np.square(cv2.filter2D(grey, -1, LAPLACIAN, borderType=cv2.BORDER_REFLECT_101))
    cells = _cells(answer)
    inside = _cells(where.astype(np.float32)).min(axis=(1, 3), initial=1.0) > 0
    variances = cells.mean(axis=(1, 3))[inside]
    return float(np.sqrt(np.percentile(variances, CALM))) if variances.size >= LEAST_CELLS else 0.0


def blockiness(grey: NDArray[np.float32], where: Mask) -> float:
    """How much larger the steps between JPEG blocks are than those inside; about 1 without blocks.

    The grid is looked for at every offset, since crops begin anywhere.
    """
    return max(_steps(grey, where), _steps(grey.T, where.T))


def _steps(grey: NDArray[np.float32], where: Mask) -> float:
    """Of columns: by how much the step between neighbours exceeds the slope on both sides, at the worst offset."""
    step = np.abs(np.diff(grey, axis=1))
    excess = step[:, 1:-1] - (step[:, :-2] + step[:, 2:]) / 2
    inside = where[:, 1:-2] & where[:, 2:-1]
    columns = inside.sum(axis=0)
    total = np.where(inside, excess, 0).sum(axis=0)
    offsets = np.arange(total.size) % CELL_PX
    means = np.array([total[offsets == n].sum() / max(int(columns[offsets == n].sum()), 1) for n in range(CELL_PX)])
    slope = float(np.where(inside, step[:, 1:-1], 0).sum() / max(int(columns.sum()), 1))
    return 1.0 + float(means.max() - np.median(means)) / max(slope, 0.5)


def _cells(plane: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H / 8, 8, W / 8, 8), cut to whole squares."""
    height, width = (side // CELL_PX for side in plane.shape)
    cut = plane[: height * CELL_PX, : width * CELL_PX]
    return cut.reshape(height, CELL_PX, width, CELL_PX)


def natural(enlarged: Pixels, small: Pixels) -> Pixels:
    """The enhancer's picture of `small`, (4H, 4W, 3), with most of its detail taken back to Lanczos interpolation."""
    size = small.shape[1] * SCALE, small.shape[0] * SCALE
    smooth = cv2.resize(small, size, interpolation=cv2.INTER_LANCZOS4)
    return np.asarray(cv2.addWeighted(enlarged, NATURAL_SHARE, smooth, 1.0 - NATURAL_SHARE, 0.0, dst=smooth), np.uint8)
