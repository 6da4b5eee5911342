"""Smooth random fields, the raw material of every surface in a drawn picture."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.floating[Any]]
Rng = np.random.Generator


def smooth(rng: Rng, height: int, width: int, cells: float, wrap: bool = False) -> Field:
    """Cubic noise with about `cells` bumps along the shorter side; mean 0, values mostly within ±1."""
    rows = max(2, round(cells * height / min(height, width)))
    columns = max(2, round(cells * width / min(height, width)))
    return stretched(rng, height, width, rows, columns, wrap)


def stretched(rng: Rng, height: int, width: int, rows: int, columns: int, wrap: bool = False) -> Field:
    """Cubic noise from a `rows` × `columns` grid; `wrap` makes the left and right edges meet."""
    grid = rng.uniform(-1.0, 1.0, (rows, columns)).astype(np.float32)
    if not wrap:
        return np.asarray(cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
    pad = 2
    grid = np.concatenate([grid[:, -pad:], grid, grid[:, :pad]], axis=1)
    cell_px = width / columns
    wide = cv2.resize(grid, (round(width + 2 * pad * cell_px), height), interpolation=cv2.INTER_CUBIC)
    start = round(pad * cell_px)
    return np.asarray(wide[:, start : start + width], np.float32)


def fractal(rng: Rng, height: int, width: int, cells: float, octaves: int, gain: float = 0.55) -> Field:
    """Octaves of `smooth` noise, each twice as fine and `gain` times as strong; values mostly within ±1."""
    total = np.zeros((height, width), np.float32)
    weight = 1.0
    for octave in range(octaves):
        if cells * 2**octave > min(height, width):
            break
        total += weight * smooth(rng, height, width, cells * 2**octave)
        weight *= gain
    return total


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
