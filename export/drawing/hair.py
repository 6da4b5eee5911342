"""Hairs and what they form: lashes, the brow, strands across the frame."""

import cv2
import numpy as np

from export.drawing.fields import Field, Rng, edge, pixel_map
from export.drawing.lids import Lids

HAIR_POINTS = 7
HAIR = np.array([[0.03, 0.02, 0.02], [0.10, 0.06, 0.04], [0.22, 0.14, 0.08], [0.40, 0.28, 0.15]], np.float32)


def hairs(
    rng: Rng, u: Field, v: Field, roots: np.ndarray, directions: np.ndarray, length: float, curl: float, width_px: float
) -> Field:
    """(H, W) opacity of tapered hairs from `roots` (N, 2) along unit `directions`, bending upward by `curl`."""
    canvas = np.zeros(u.shape, np.uint8)
    matrix, offset = pixel_map(u, v)
    t = np.linspace(0.0, 1.0, HAIR_POINTS)[None, :, None]
    lengths = length * rng.uniform(0.5, 1.15, (len(roots), 1, 1))
    bend = np.array([0.0, -1.0]) * curl * rng.uniform(0.4, 1.3, (len(roots), 1, 1))
    paths = roots[:, None, :] + lengths * (directions[:, None, :] * t + bend * t * t)
    places = paths @ matrix.T + offset
    if width_px > 2.0:
        return _thick_hairs(canvas, places, width_px)
    points = np.round(places * 16).astype(np.int32)
    layer = np.zeros_like(canvas)
    for start in range(HAIR_POINTS - 1):
        thickness = width_px * (1.0 - start / (HAIR_POINTS - 1)) ** 0.8
        value = int(255 * min(1.0, max(thickness, 0.12)))
        lines = [p[start : start + 2].reshape(-1, 1, 2) for p in points]
        layer[:] = 0
        cv2.polylines(layer, lines, False, value, max(1, round(thickness)), cv2.LINE_AA, 4)
        np.maximum(canvas, layer, out=canvas)
    return canvas.astype(np.float32) / 255.0


def _thick_hairs(canvas: np.ndarray, places: np.ndarray, width_px: float) -> Field:
    """Hairs wide enough to show their taper: each is an outline from its root to its tip."""
    along = np.gradient(places, axis=1)
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    across /= np.maximum(np.linalg.norm(across, axis=-1, keepdims=True), 1e-6)
    half = width_px / 2 * np.linspace(1.0, 0.05, places.shape[1])[None, :, None] ** 0.8
    outlines = np.concatenate([places + across * half, (places - across * half)[:, ::-1]], axis=1)
    for outline in np.round(outlines * 16).astype(np.int32):
        cv2.fillPoly(canvas, [outline.reshape(-1, 1, 2)], 255, cv2.LINE_AA, 4)
    return canvas.astype(np.float32) / 255.0


def lashes(rng: Rng, u: Field, v: Field, lids: Lids, radius_px: float) -> Field:
    """(H, W) opacity of both rows of lashes, fanned out from the lid edges, in clumps."""
    droop = 1.0 if rng.random() < 0.35 else -1.0  # hanging over the eye, or curled up over the lid
    opacity = np.zeros(u.shape, np.float32)
    for upper in (True, False):
        count = int(rng.integers(25, 110) if upper else rng.integers(0, 55))
        if count == 0:
            continue
        at = np.sort(rng.uniform(-0.97, 0.97, count)) * lids.half_width
        at += 0.04 * np.sin(at * rng.uniform(10, 30))
        top, bottom = lids.curves(at.astype(np.float32))
        roots = np.stack([at, top if upper else bottom], axis=1)
        lean = at / lids.half_width * rng.uniform(0.4, 1.0) + rng.normal(0, 0.16, count)
        way = droop if upper else 1.0
        directions = np.stack([np.sin(lean), way * np.cos(lean) * (0.75 if upper else 0.9)], axis=1)
        length = rng.uniform(0.35, 0.95) if upper else rng.uniform(0.15, 0.4)
        curl = rng.uniform(-0.3, 0.0)
        if upper:
            curl = rng.uniform(0.0, 0.3) if droop > 0 else rng.uniform(0.1, 0.8)
        width_px = radius_px * rng.uniform(0.012, 0.04) * (1.0 if upper else 0.7)
        np.maximum(opacity, hairs(rng, u, v, roots, directions, length, curl, width_px), out=opacity)
    return opacity


def brow(rng: Rng, u: Field, v: Field, lids: Lids, radius_px: float) -> Field:
    """(H, W) opacity of an eyebrow, from a few hairs far above the lid to a dense band right over it."""
    count = int(rng.integers(120, 700))
    lift = -lids.upper - rng.uniform(0.5, 3.2)
    reach, bend = lids.half_width * rng.uniform(1.05, 1.5), rng.uniform(0.1, 0.8)
    thick = rng.uniform(0.12, 0.45)
    along = rng.uniform(-1, 1, count)
    spread = rng.normal(0, thick, count) * (1 - 0.5 * np.abs(along))
    roots = np.stack([along * reach, lift + bend * along**2 + spread], axis=1)
    lean = rng.choice([-1, 1]) * rng.uniform(0.6, 1.4) + rng.normal(0, 0.25, count)
    directions = np.stack([np.sin(lean), -np.cos(lean)], axis=1)
    strands = hairs(rng, u, v, roots, directions, rng.uniform(0.3, 0.8), 0.0, radius_px * rng.uniform(0.012, 0.035))
    t = u / np.float32(reach)
    band = np.exp(-(((v - lift - bend * t * t) / (1.3 * thick)) ** 2)) * edge(1.0 - np.abs(t), 0.3)
    return np.asarray(np.maximum(strands, rng.uniform(0.0, 0.9) * band), np.float32)


def strands(rng: Rng, u: Field, v: Field, radius_px: float) -> Field:
    """(H, W) opacity of a few long hairs that hang across the frame."""
    count = int(rng.integers(2, 14))
    roots = np.stack([rng.normal(rng.uniform(-3, 3), 0.6, count), np.full(count, -5.0)], axis=1)
    lean = rng.normal(0, 0.35) + rng.normal(0, 0.08, count)
    directions = np.stack([np.sin(lean), np.cos(lean)], axis=1)
    return hairs(
        rng, u, v, roots, directions, rng.uniform(6, 14), rng.uniform(-3, 3), radius_px * rng.uniform(0.015, 0.05)
    )
