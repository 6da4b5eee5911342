"""The measures that networks and filters are judged by."""

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.images import Mask, Pixels

GMSD_C = 170.0
PREWITT = np.array([[1, 0, -1], [1, 0, -1], [1, 0, -1]], np.float32) / 3


def iou(found: Mask, truth: Mask) -> float:
    """Intersection over union, 0–1; 0 where both are empty."""
    return float((found & truth).sum() / max(int((found | truth).sum()), 1))


def psnr(found: Pixels, truth: Pixels, where: Mask | None = None) -> float:
    """Peak signal-to-noise ratio in dB of (H, W, 3) uint8 pictures, over the pixels of `where` (H, W)."""
    apart = found.astype(np.float64) - truth
    error = np.square(apart if where is None else apart[where]).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-3)))


def gmsd(found: Pixels, truth: Pixels) -> float:
    """Gradient magnitude similarity deviation, 0 for equal pictures: how unlike their edges are to a viewer.

    Source: Xue, Zhang, Mou & Bovik 2014. It needs no network, unlike LPIPS, whose weights can't be had everywhere.
    """
    edges = []
    for picture in (found, truth):
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
        small = cv2.blur(grey, (2, 2))[::2, ::2]
        edges.append(np.hypot(cv2.filter2D(small, -1, PREWITT), cv2.filter2D(small, -1, PREWITT.T)))
    first, second = edges
    return float(((2 * first * second + GMSD_C) / (first**2 + second**2 + GMSD_C)).std())


def roc_area(score: NDArray[np.float64], good: Mask) -> float:
    """How often a good one scores above a bad one (ties count half): the area under the ROC curve; NaN without both."""
    above, below = score[good][:, None], score[~good][None]
    return float(((above > below) + 0.5 * (above == below)).mean()) if above.size and below.size else float("nan")
