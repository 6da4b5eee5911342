"""How good the result can be, from what was found in the photo: one figure, and warnings in words."""

import cv2
import numpy as np

from orchestrator.pipeline.images import Pixels
from orchestrator.pipeline.segment import IrisMasks

SMALL_PX, SHARP, DIM, COVERED, MIRRORED = 120, 12.0, 28.0, 0.6, 0.15


def judge(crop: Pixels, masks: IrisMasks, reflected: float) -> tuple[float, list[str]]:
    """Score 0–1 (the product of five factors) and a warning for each factor that is low.

    Args:
        crop: (H, W, 3) uint8, the iris before enhancement.
        masks: on the crop's grid.
        reflected: share of the iris, 0–1.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    ring = masks.iris & ~masks.pupil
    values = grey[ring] if ring.any() else grey[masks.iris]
    small = cv2.resize(grey, (256, 256), interpolation=cv2.INTER_AREA) if min(grey.shape) > 256 else grey
    detail = float(np.sqrt(np.abs(cv2.Laplacian(small, cv2.CV_32F)).mean() * 10))
    visible = float(masks.iris.sum() / (np.pi * masks.circle.radius**2))
    factors = {
        "The iris is small in the photo; move closer for more detail.": masks.circle.radius / SMALL_PX,
        "The photo is not quite sharp; hold still and tap the eye to focus.": detail / SHARP,
        "The photo is dark; use more light.": float(np.median(values)) / DIM,
        "The lids cover part of the iris; open the eye wide.": visible / COVERED,
        "Large reflections cover the iris; turn away from windows and lamps.": MIRRORED / max(reflected, 1e-6),
    }
    warnings = [words for words, factor in factors.items() if factor < 1.0]
    score = masks.presence * float(np.prod([min(f, 1.0) ** 0.5 for f in factors.values()]))
    return round(min(score, 1.0), 3), warnings
