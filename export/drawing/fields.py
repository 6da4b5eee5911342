"""Fields, arrays (H, W) or (H, W, 3) of floats: edges, blending, blur, and the map from (u, v) to pixels."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
Rng = np.random.Generator


def edge(distance: Field, softness: float) -> Field:
    """0 where `distance` < -softness/2, 1 where it is > softness/2, a smooth ramp between."""
    t = np.clip(distance / max(softness, 1e-6) + 0.5, 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t), np.float32)


def blend(below: Field, above: Field | NDArray[np.float64] | float, alpha: Field) -> Field:
    """`above` laid over `below` (H, W, 3) with the (H, W) opacity `alpha`, in place."""
    rows = np.flatnonzero(alpha.max(axis=1) > 1 / 512)
    if len(rows) == 0:
        return below
    span = slice(rows[0], rows[-1] + 1)
    a = alpha[span, :, None]
    layer = np.asarray(above, np.float32)
    below[span] += ((layer[span] if layer.shape == below.shape else layer) - below[span]) * a
    return below


def pixel_map(u: Field, v: Field) -> tuple[np.ndarray, np.ndarray]:
    """The affine map from (u, v) to pixels, read off the coordinate fields: (2, 2) matrix and (2,) offset."""
    height, width = u.shape
    right = np.array([u[0, -1] - u[0, 0], v[0, -1] - v[0, 0]]) / (width - 1)
    down = np.array([u[-1, 0] - u[0, 0], v[-1, 0] - v[0, 0]]) / (height - 1)
    inverse = np.linalg.inv(np.stack([right, down], axis=1))
    return inverse, -inverse @ np.array([u[0, 0], v[0, 0]])


def soften(field: Field, sigma_px: float) -> Field:
    """Gaussian blur; returns the field itself where the blur is too small to matter."""
    return field if sigma_px < 0.25 else np.asarray(cv2.GaussianBlur(field, (0, 0), sigma_px), np.float32)
