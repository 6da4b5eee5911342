"""How far an outline reaches into what lies around an iris: the sclera that blurs into it, and the pink of lids.

A network's outline lies in the middle of a blurred edge, as a hand-drawn one does; on black, its outer half shows as a
pale line, and the wet margin of a lid as a pink band.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.pixels import Pixels

Points = NDArray[np.float64]
Values = NDArray[np.float64]

# Depths in iris radii, from the outline inwards:
DEPTHS = np.arange(0.0, 0.165, 0.005)
PALE_TO, PINK_TO = 0.05, 0.12  # the deepest that a rim of sclera, and of a lid, is looked for
INSIDE = 0.12  # from where on it is surely iris
# In units of CIE L* and a*:
PALE, PINK = 2.0, 5.0  # by how much the edge must differ from what is inside it
LEFT_OF_PALE, LEFT_OF_PINK = 0.15, 0.3  # share of that difference with which a rim ends
MOST = 0.7  # of the outline must be without a pale rim
NEIGHBOURS = 7  # rays, of a full turn of points, whose median is one profile


def depths_of_rims(photo: Pixels, points: Points, middle: Values, radius: float) -> tuple[float, Values]:
    """How deep the pale rim is all round, and how deep the pink one is at each of (N, 2) points, in iris radii.

    The pale one is the blur of the photo, so it is as deep everywhere. 0 where there is none.

    Args:
        photo: (H, W, 3) uint8 sRGB.
        points: in the photo's pixels, round the outline, N evenly spaced rays.
        middle: (2,), inside the outline.
        radius: of the iris, in pixels.
    """
    towards = middle - points
    towards /= np.maximum(np.hypot(towards[:, 0], towards[:, 1]), 1e-9)[:, None]
    lightness, redness = _profiles(photo, points, towards * radius)
    pale = _end_of_rim(lightness - _lowest(lightness, PALE_TO), PALE, LEFT_OF_PALE, PALE_TO)
    inside = np.median(redness[:, DEPTHS >= INSIDE], axis=1, keepdims=True)
    pink = _end_of_rim(redness - np.maximum(inside, 0), PINK, LEFT_OF_PINK, PINK_TO)
    free = pale[pink == 0]
    return float(np.quantile(free, MOST)) if len(free) else 0.0, pink


def _profiles(photo: Pixels, points: Points, step: Points) -> tuple[Values, Values]:
    """L* and a* from the outline inwards, (N, len(DEPTHS)) each; the median of neighbours, for lashes and noise."""
    where = (points[:, None] + step[:, None] * DEPTHS[:, None]).astype(np.float32)
    colours = cv2.remap(photo, where[..., 0], where[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    lab = cv2.cvtColor(colours.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    reach = NEIGHBOURS // 2
    around = np.pad(lab, ((reach, reach), (0, 0), (0, 0)), mode="wrap")
    calm = np.median(np.lib.stride_tricks.sliding_window_view(around, NEIGHBOURS, axis=0), axis=-1)
    return np.asarray(calm[..., 0], np.float64), np.asarray(calm[..., 1], np.float64)


def _lowest(values: Values, to: float) -> Values:
    return np.asarray(values[:, DEPTHS <= to].min(axis=1, keepdims=True))


def _end_of_rim(excess: Values, least: float, share: float, to: float) -> Values:
    """The depth from which an excess of (N, D) is but a share of what it is at the outline; 0 without a rim."""
    small = excess <= np.maximum(least / 2, share * excess[:, :1])
    end = DEPTHS[small.argmax(axis=1)]
    return np.where((excess[:, 0] > least) & small.any(axis=1) & (end <= to), end, 0.0)
