"""What surrounds an iris within the lids: the sclera with its vessels, the shadow on it, the wet rim of the lids."""

import cv2
import numpy as np

from export.drawing.fields import Field, Rng, blend, edge, pixel_map
from export.drawing.lids import Lids
from export.drawing.noise import fractal, smooth


def sclera(rng: Rng, u: Field, v: Field, lids: Lids, radius_px: float) -> Field:
    """(H, W, 3) white of the eye: tinted, shaded like a ball, with vessels and the pink inner corner."""
    height, width = u.shape
    bright, palest = (rng.uniform(0.2, 0.6), 0.6) if rng.random() < 0.22 else (rng.uniform(0.55, 0.97), 0.84)
    tint = np.array([1.0, rng.uniform(palest, 1.0), rng.uniform(palest - 0.12, 1.0)], np.float32)
    colour = np.ones((height, width, 3), np.float32) * (bright * tint)
    colour *= (1.0 + 0.05 * fractal(rng, height, width, 5, 3))[..., None]
    ball = np.clip((u / lids.half_width) ** 2 + (v / 1.9) ** 2, 0, 1.5)
    colour *= (1.0 - rng.uniform(0.1, 0.6) * ball)[..., None]
    side = rng.choice([-1.0, 1.0])
    corner = edge(side * u - lids.half_width * rng.uniform(0.78, 0.92), 0.3)
    blend(colour, np.array([0.75, 0.42, 0.38]) * bright, np.asarray(0.8 * corner, np.float32))
    vessels = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(0, 26))):
        start = np.array([rng.choice([-1, 1]) * lids.half_width * rng.uniform(0.7, 1.0), rng.uniform(-0.7, 0.7)])
        step = np.array([-np.sign(start[0]) * rng.uniform(0.08, 0.16), rng.normal(0, 0.05)])
        turn = rng.normal(0, 0.05, (10, 2)).cumsum(0)
        path = start + step * np.arange(10)[:, None] + turn
        _polyline(vessels, path, u, v, rng.uniform(0.006, 0.03) * radius_px, int(rng.integers(60, 220)))
    soft = cv2.GaussianBlur(vessels, (0, 0), max(0.6, radius_px * 0.012)).astype(np.float32) / 255.0
    return blend(colour, np.array([0.70, 0.22, 0.20]) * bright, np.asarray(soft * rng.uniform(0.2, 0.8), np.float32))


def _polyline(canvas: np.ndarray, path: np.ndarray, u: Field, v: Field, width_px: float, value: int) -> None:
    """Draw `path` (N, 2) in (u, v) units; lines under one pixel get fainter instead of thinner."""
    matrix, offset = pixel_map(u, v)
    points = np.round((path @ matrix.T + offset) * 16).astype(np.int32).reshape(-1, 1, 2)
    strength = int(value * min(1.0, max(width_px, 0.15)))
    cv2.polylines(canvas, [points], False, strength, max(1, round(width_px)), cv2.LINE_AA, 4)


def lid_margin(rng: Rng, picture: Field, u: Field, v: Field, lids: Lids, top: Field, bottom: Field) -> None:
    """The wet pink rim between lashes and eyeball, and sometimes a liner, painted into `picture`."""
    inside = edge(lids.half_width - np.abs(u), 0.25)
    rim = np.exp(-(((v - bottom) / rng.uniform(0.04, 0.10)) ** 2)) * inside * rng.uniform(0.3, 0.9)
    blend(picture, np.array([0.82, 0.55, 0.50]) * rng.uniform(0.5, 1.05), np.asarray(rim, np.float32))
    rim = np.exp(-(((v - top) / rng.uniform(0.03, 0.10)) ** 2)) * inside * rng.uniform(0.2, 0.9)
    dark = np.array([0.30, 0.18, 0.15]) * rng.uniform(0.15, 1.3)
    blend(picture, dark, np.asarray(rim, np.float32))
    if rng.random() < 0.2:
        liner = np.exp(-(((v - top) / rng.uniform(0.08, 0.2)) ** 4)) * inside
        blend(picture, np.full(3, rng.uniform(0.0, 0.12)), np.asarray(liner * 0.9, np.float32))


def lid_shadow(rng: Rng, v: Field, top: Field, height: int, width: int) -> Field:
    """(H, W) factor ≤ 1: the upper lid and its lashes darken the eyeball beneath them."""
    depth = rng.uniform(0.1, 0.75)
    reach = rng.uniform(0.15, 0.6)
    wave = 1.0 + 0.25 * smooth(rng, height, width, 6)
    return np.asarray(1.0 - depth * np.exp(-np.maximum(v - top, 0.0) / (reach * wave)), np.float32)
