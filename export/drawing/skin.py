"""Skin round an eye: its tone, pores, folds and lines, and make-up on it."""

import numpy as np

from export.drawing.fields import Field, Rng, blend, edge
from export.drawing.lids import Lids
from export.drawing.noise import fractal

# sRGB in 0–1, from pale to dark.
SKIN = np.array(
    [[0.95, 0.80, 0.72], [0.90, 0.72, 0.60], [0.80, 0.60, 0.47], [0.66, 0.46, 0.34], [0.47, 0.31, 0.22],
     [0.30, 0.19, 0.14], [0.18, 0.12, 0.09]], np.float32
)  # fmt: skip


def draw_skin(rng: Rng, u: Field, v: Field, lids: Lids, top: Field, bottom: Field, radius_px: float) -> Field:
    """(H, W, 3) skin with pores, the lid's fold, lines under the eye and make-up."""
    height, width = u.shape
    tone = _tone(rng)
    pores = float(np.clip(6 * min(height, width) / radius_px, 20, 70))
    shade = 1.0 + rng.uniform(0.0, 0.1) * fractal(rng, height, width, 2, 3)
    shade += rng.uniform(0.0, 0.09) * fractal(rng, height, width, pores, 3)
    outside = np.abs(u) / lids.half_width  # 1 at the corners of the eye
    _fold(rng, shade, u, v, outside, top, bottom)
    shade -= rng.uniform(0.0, 0.25) * np.exp(-(((outside - 1.05) / 0.15) ** 2 + (v / 0.5) ** 2))
    colour = np.asarray(tone, np.float32) * shade[..., None]
    red = np.exp(-((np.minimum(np.abs(v - top), np.abs(v - bottom)) / 0.35) ** 2)) * edge(1.25 - outside, 0.4)
    colour *= 1.0 - red[..., None] * np.array([-0.02, 0.10, 0.09], np.float32) * rng.uniform(0, 1.6)
    _make_up(rng, colour, v, outside, top, bottom, tone)
    return np.asarray(colour, np.float32)


def _tone(rng: Rng) -> Field:
    """(3,) a colour between two neighbours of SKIN."""
    index = (len(SKIN) - 1) * rng.beta(0.8, 1.2)
    low = int(index)
    tone = SKIN[low] + (SKIN[min(low + 1, len(SKIN) - 1)] - SKIN[low]) * (index - low)
    return np.asarray(tone * rng.uniform(0.85, 1.1) + rng.normal(0, 0.015, 3))


def _fold(rng: Rng, shade: Field, u: Field, v: Field, outside: Field, top: Field, bottom: Field) -> None:
    """The fold of the upper lid and lines under the eye, darkened in `shade` (H, W)."""
    crease = top - rng.uniform(0.15, 0.6) * (1.0 - 0.5 * np.clip(outside, 0, 1) ** 2)
    near = np.exp(-(np.maximum(outside - 0.7, 0.0) ** 2) / 0.1)  # lines fade past the corners
    above = crease - v  # the fold: sharp below, fading upwards
    fold = np.exp(-np.maximum(above / rng.uniform(0.08, 0.4), -above / rng.uniform(0.02, 0.1)))
    shade -= near * rng.uniform(0.0, 0.6) * fold
    for _ in range(int(rng.integers(0, 5))):
        line = bottom + rng.uniform(0.2, 1.6) + 0.12 * u * rng.normal()
        shade -= near * rng.uniform(0.03, 0.16) * np.exp(-(((v - line) / rng.uniform(0.03, 0.07)) ** 2))


def _make_up(rng: Rng, colour: Field, v: Field, outside: Field, top: Field, bottom: Field, tone: Field) -> None:
    """Eye shadow, and kohl smudged all round or rings under tired eyes, now and then; painted into `colour`."""
    if rng.random() < 0.15:
        reach = rng.uniform(0.6, 1.6) * np.clip(1.1 - 0.7 * outside * outside, 0, 1)
        paint = edge(top - v, 0.4) * edge(v - top + reach, 0.5) * edge(1.2 - outside, 0.5)
        blend(colour, rng.uniform(0.05, 0.8, 3), np.asarray(paint * rng.uniform(0.2, 0.7), np.float32))
    if rng.random() < 0.12:
        near_lids = np.minimum(np.abs(v - top), np.abs(v - bottom))
        smudge = np.exp(-((near_lids / rng.uniform(0.15, 0.6)) ** 2)) * edge(1.3 - outside, 0.6)
        blend(colour, tone * rng.uniform(0.05, 0.6), np.asarray(smudge * rng.uniform(0.3, 0.9), np.float32))
