"""Smooth random fields, the raw material of every surface in a drawn picture."""

import cv2
import numpy as np

from export.drawing.fields import Field, Rng


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
