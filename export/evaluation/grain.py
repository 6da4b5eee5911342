"""How the fine detail of places that were filled compares with that of their surroundings."""

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.pixels import Mask, Pixels
from orchestrator.pipeline.segment import IrisMasks

DETAIL = 0.02  # iris radii: what is finer is grain
BORDER, RING = 0.04, 0.16  # around a place: not compared; compared with it
LEAST_AREA = 0.01  # of a place, in squared iris radii
LIKE_ITS_RING = (0.7, 1.4)


def grain_ratios(picture: Pixels, places: Mask, masks: IrisMasks) -> list[float]:
    """For each larger place of the iris, the variance of its detail over that of the ring around it; 1 is alike.

    Args:
        picture: (H, W, 3) uint8 sRGB.
        places: (H, W) bool, such as the reflections that were removed.
        masks: on the picture's grid.
    """
    radius = masks.circle.radius
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    energy = np.square(grey - cv2.GaussianBlur(grey, (0, 0), max(1.0, DETAIL * radius)))
    rim = _distance(masks.pupil | ~masks.iris)
    fibres = rim > BORDER * radius
    elsewhere = fibres & (_distance(places) > BORDER * radius)
    count, labels = cv2.connectedComponents(places.astype(np.uint8))
    ratios = []
    for label in range(1, count):
        place = labels == label
        inside, ring = place & fibres, (_distance(place) < RING * radius) & elsewhere
        if min(np.count_nonzero(inside), 2 * np.count_nonzero(ring)) > LEAST_AREA * radius**2:
            ratios.append(float(energy[inside].mean() / max(float(energy[ring].mean()), 0.05)))
    return ratios


def share_like_its_ring(ratios: list[float]) -> float:
    """The share of places whose grain is about as strong as their ring's; NaN of none."""
    values = np.array(ratios)
    return float(((values > LIKE_ITS_RING[0]) & (values < LIKE_ITS_RING[1])).mean()) if ratios else float("nan")


def _distance(mask: Mask) -> NDArray[np.float32]:
    return np.asarray(cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5), np.float32)
