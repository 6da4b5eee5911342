"""How good the result can be, judged by the photo: a score, and a warning for each thing that lowers it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.pixels import Mask, Pixels
from orchestrator.pipeline.segment import IrisMasks
from orchestrator.words.codes import WARNINGS, WarningCode

# Short of these values the score is lower and there is a warning.
GOOD_RADIUS_PX = 120
GOOD_SHARPNESS = 4.0
GOOD_CONTRAST = 4.5  # grey levels; see `_contrast`
GOOD_BRIGHTNESS = 28.0  # grey levels
GOOD_VISIBLE = 0.6  # share of the iris that no lid covers
GOOD_REFLECTION = 0.15  # share of the iris; more is worse
NORMAL_PX = 256  # side at which sharpness and contrast are measured
FINEST_PX, COARSEST_PX = 1.0, 6.0  # of what counts as contrast: wider than noise, narrower than shadows


def assess(picture: Pixels, masks: IrisMasks, reflection_share: float) -> tuple[float, list[str]]:
    """Score 0–1 (the product of the confidence and six factors) and a warning for each factor that is low.

    Args:
        picture: (H, W, 3) uint8, the crop of the iris before enhancement.
        masks: on the crop's grid.
        reflection_share: how much of the iris reflects, 0–1.
    """
    grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
    fibres = masks.iris & ~masks.pupil & ~masks.reflection
    brightness = float(np.median(grey[fibres] if fibres.any() else grey[masks.iris]))
    visible = float(masks.iris.sum() / (np.pi * masks.circle.radius**2))
    sharpness, contrast = _sharpness(grey, fibres), _contrast(grey, fibres)
    factors: dict[WarningCode, float] = {
        "iris_small": masks.circle.radius / GOOD_RADIUS_PX,
        "not_sharp": sharpness / GOOD_SHARPNESS,
        "low_contrast": (contrast / GOOD_CONTRAST) ** 2,
        "dark": brightness / GOOD_BRIGHTNESS,
        "lids_cover": visible / GOOD_VISIBLE,
        "reflections_cover": (GOOD_REFLECTION / max(reflection_share, 1e-6)),
    }
    warnings = [WARNINGS[code] for code, factor in factors.items() if factor < 1.0]
    score = masks.confidence * float(np.prod([min(f, 1.0) ** 0.5 for f in factors.values()]))
    return round(min(score, 1.0), 3), warnings


def _sharpness(grey: NDArray[np.uint8], fibres: Mask) -> float:
    """Root mean square of the Laplacian over the fibres, in % of their brightness, at one size for every photo.

    Drawn eyes have 7 to 35 in focus, 3 to 8 blurred by a hundredth of the radius, and 2 to 5 by a fiftieth.
    """
    small, inner = _normal_size(grey, fibres)
    if not inner.any():
        return 0.0
    edges = np.asarray(cv2.Laplacian(small, cv2.CV_32F))[inner]
    return float(np.sqrt(np.square(edges).mean()) / max(float(small[inner].mean()), 8.0) * 100)


def _contrast(grey: NDArray[np.uint8], fibres: Mask) -> float:
    """Standard deviation of what is as wide as fibres are, in grey levels, at one size for every photo.

    Of real eyes, light ones show 5 to 16 and dark ones in good light 4 to 7; under 2.5 nobody sees a fibre.
    """
    small, inner = _normal_size(grey, fibres)
    if not inner.any():
        return 0.0
    values = small.astype(np.float32)
    fine, coarse = (cv2.GaussianBlur(values, (0, 0), sigma) for sigma in (FINEST_PX, COARSEST_PX))
    return float((fine - coarse)[inner].std())


def _normal_size(grey: NDArray[np.uint8], fibres: Mask) -> tuple[NDArray[np.uint8], Mask]:
    """Both NORMAL_PX wide, and the fibres without their own outline, which is no detail."""
    size = (NORMAL_PX, NORMAL_PX)
    small = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)
    ring = cv2.resize(fibres.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    return small, cv2.erode(ring, np.ones((7, 7), np.uint8)) > 0
