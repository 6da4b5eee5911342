"""The measures by which networks and filters are scored."""

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.pixels import Mask, Pixels

GMSD_C = 170.0
PREWITT = np.array([[1, 0, -1], [1, 0, -1], [1, 0, -1]], np.float32) / 3


def iou(mask: Mask, truth: Mask) -> float:
    """Intersection over union, 0–1; 0 where both are empty."""
    return float((mask & truth).sum() / max(int((mask | truth).sum()), 1))


def psnr(picture: Pixels, truth: Pixels, where: Mask | None = None) -> float:
    """Peak signal-to-noise ratio in dB of (H, W, 3) uint8 pictures, over the pixels of `where` (H, W)."""
    difference = picture.astype(np.float64) - truth
    error = np.square(difference if where is None else difference[where]).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-3)))


def gmsd(picture: Pixels, truth: Pixels) -> float:
    """Gradient magnitude similarity deviation, 0 for equal pictures: how unlike their edges are to a viewer.

    Source: Xue, Zhang, Mou & Bovik 2014. It needs no network, unlike LPIPS, whose weights can't be had everywhere.
    """
    first, second = _gradients(picture), _gradients(truth)
    return float(((2 * first * second + GMSD_C) / (first**2 + second**2 + GMSD_C)).std())


def _gradients(picture: Pixels) -> NDArray[np.float32]:
    """(H / 2, W / 2) gradient magnitudes of the grey picture at half its size, as the paper has it."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    small = cv2.blur(grey, (2, 2))[::2, ::2]
    return np.asarray(np.hypot(cv2.filter2D(small, -1, PREWITT), cv2.filter2D(small, -1, PREWITT.T)), np.float32)


def roc_area(score: NDArray[np.float64], good: Mask) -> float:
    """How often a good one scores above a bad one (ties count half): the area under the ROC curve; NaN without both."""
    above, below = score[good][:, None], score[~good][None]
    return float(((above > below) + 0.5 * (above == below)).mean()) if above.size and below.size else float("nan")


def rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Spearman's, −1 to 1, of two (N,) arrays; equal values share their mean rank; NaN where one does not vary."""
    ranks = [_ranks(values) - (len(values) - 1) / 2 for values in (first, second)]
    norm = np.sqrt(np.prod([np.square(r).sum() for r in ranks]))
    return float((ranks[0] * ranks[1]).sum() / norm) if norm else float("nan")


def _ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    below = (values[None] < values[:, None]).sum(axis=1)
    return np.asarray(below + ((values[None] == values[:, None]).sum(axis=1) - 1) / 2, np.float64)
