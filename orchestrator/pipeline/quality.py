"""How good the result can be, from what was found in the photo: one figure, and warnings in words."""

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.images import Mask, Pixels
from orchestrator.pipeline.segment import IrisMasks

SMALL_PX, SHARP, DIM, COVERED, REFLECTED = 120, 4.0, 28.0, 0.6, 0.15
NORMAL_PX = 256


def assess(crop: Pixels, masks: IrisMasks, reflected: float) -> tuple[float, list[str]]:
    """Score 0–1 (the product of five factors) and a warning for each factor that is low.

    Args:
        crop: (H, W, 3) uint8, the iris before enhancement.
        masks: on the crop's grid.
        reflected: share of the iris, 0–1.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    fibres = masks.iris & ~masks.pupil & ~masks.reflection
    values = grey[fibres] if fibres.any() else grey[masks.iris]
    visible = float(masks.iris.sum() / (np.pi * masks.circle.radius**2))
    factors = {
        "The iris is small in the photo; move closer for more detail.": masks.circle.radius / SMALL_PX,
        "The photo is not quite sharp; hold still and tap the eye to focus.": _sharpness(
            np.asarray(grey, np.uint8), fibres
        )
        / SHARP,
        "The photo is dark; use more light.": float(np.median(values)) / DIM,
        "The lids cover part of the iris; open the eye wide.": visible / COVERED,
        "Large reflections cover the iris; turn away from windows and lamps.": REFLECTED / max(reflected, 1e-6),
    }
    warnings = [words for words, factor in factors.items() if factor < 1.0]
    score = masks.confidence * float(np.prod([min(f, 1.0) ** 0.5 for f in factors.values()]))
    return round(min(score, 1.0), 3), warnings


def _sharpness(grey: NDArray[np.uint8], fibres: Mask) -> float:
    """Spread of the Laplacian between the fibres, in % of their brightness, at one size for every photo.

    Drawn eyes in focus have 7 to 35, blurred by a hundredth of the radius 3 to 8, by a fiftieth 2 to 5.
    """
    size = (NORMAL_PX, NORMAL_PX)
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
    ring = cv2.resize(fibres.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    inner = cv2.erode(ring, np.ones((7, 7), np.uint8)) > 0  # its own outline is no detail
    if not inner.any():
        return 0.0
    edges = np.asarray(cv2.Laplacian(small, cv2.CV_32F))[inner]
    return float(np.sqrt(np.square(edges).mean()) / max(float(np.asarray(small)[inner].mean()), 8.0) * 100)
