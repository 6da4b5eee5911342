"""What surrounds an iris: eyeball, lid opening, lids, skin, lashes, brow, make-up, shadows."""

from dataclasses import dataclass

import cv2
import numpy as np

from export.drawing.noise import Field, Rng, blend, edge, fractal, smooth

SKIN = np.array(
    [[0.95, 0.80, 0.72], [0.90, 0.72, 0.60], [0.80, 0.60, 0.47], [0.66, 0.46, 0.34], [0.47, 0.31, 0.22],
     [0.30, 0.19, 0.14], [0.18, 0.12, 0.09]], np.float32
)  # fmt: skip
HAIR_POINTS = 7
HAIR = np.array([[0.03, 0.02, 0.02], [0.10, 0.06, 0.04], [0.22, 0.14, 0.08], [0.40, 0.28, 0.15]], np.float32)


@dataclass(frozen=True)
class Lids:
    """The lid opening in units of the iris radius: corners at ±half_width, both lids as smooth arches.

    `upper` and `lower` are the heights of the arches above and below the line through the corners; an opening
    of 0 is a shut eye.
    """

    half_width: float
    upper: float
    lower: float
    peak: float
    power: float
    slope: float

    def curves(self, u: Field) -> tuple[Field, Field]:
        """The v coordinates (down is positive) of the upper and the lower lid at each u."""
        t = np.clip(u / self.half_width, -1.0, 1.0)
        bent = np.clip(t - self.peak * (1.0 - t * t), -1.0, 1.0)
        arch = np.maximum(1.0 - np.abs(bent) ** self.power, 0.0)
        line = self.slope * u
        return line - self.upper * arch, line + self.lower * np.maximum(1.0 - np.abs(t) ** 2.0, 0.0) ** 0.9


def random_lids(rng: Rng, shut: bool = False) -> Lids:
    """Lids round an iris at the origin, from wide open (white all round) to a slit; or shut."""
    upper = float(np.clip(rng.normal(0.85, 0.22), 0.1, 1.5))
    lower = float(np.clip(rng.normal(0.95, 0.17), 0.35, 1.5))
    if rng.random() < 0.25:  # a smile, a squint, a slit
        upper, lower = upper * rng.uniform(0.4, 0.85), lower * rng.uniform(0.5, 0.9)
    if shut:
        droop = rng.uniform(0.3, 1.0)
        upper, lower = -droop, droop + rng.uniform(0.0, 0.02)
    return Lids(
        half_width=float(rng.uniform(1.9, 2.9) if rng.random() < 0.82 else rng.uniform(1.25, 1.9)),
        upper=upper,
        lower=lower,
        peak=float(rng.uniform(-0.22, 0.22)),
        power=float(rng.uniform(1.9, 2.8)),
        slope=float(rng.normal(0.0, 0.07)),
    )


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


def _grid(u: Field, v: Field) -> tuple[np.ndarray, np.ndarray]:
    """The affine map from (u, v) to pixels, read off the coordinate fields: (2, 2) matrix and (2,) offset."""
    height, width = u.shape
    right = np.array([u[0, -1] - u[0, 0], v[0, -1] - v[0, 0]]) / (width - 1)
    down = np.array([u[-1, 0] - u[0, 0], v[-1, 0] - v[0, 0]]) / (height - 1)
    inverse = np.linalg.inv(np.stack([right, down], axis=1))
    return inverse, -inverse @ np.array([u[0, 0], v[0, 0]])


def _polyline(canvas: np.ndarray, path: np.ndarray, u: Field, v: Field, width_px: float, value: int) -> None:
    """Draw `path` (N, 2) in (u, v) units; lines under one pixel get fainter instead of thinner."""
    matrix, offset = _grid(u, v)
    points = np.round((path @ matrix.T + offset) * 16).astype(np.int32).reshape(-1, 1, 2)
    strength = int(value * min(1.0, max(width_px, 0.15)))
    cv2.polylines(canvas, [points], False, strength, max(1, round(width_px)), cv2.LINE_AA, 4)


def hairs(
    rng: Rng, u: Field, v: Field, roots: np.ndarray, directions: np.ndarray, length: float, curl: float, width_px: float
) -> Field:
    """(H, W) opacity of tapered hairs from `roots` (N, 2) along unit `directions`, bending upward by `curl`."""
    canvas = np.zeros(u.shape, np.uint8)
    matrix, offset = _grid(u, v)
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
    """Hairs wide enough to see their taper: each one outline from its root to its tip."""
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


def skin(rng: Rng, u: Field, v: Field, lids: Lids, top: Field, bottom: Field, radius_px: float) -> Field:
    """(H, W, 3) skin with pores, the lid's fold, lines under the eye and make-up."""
    height, width = u.shape
    fine = float(np.clip(6 * min(height, width) / radius_px, 20, 70))
    index = (len(SKIN) - 1) * rng.beta(0.8, 1.2)
    low = int(index)
    tone = SKIN[low] + (SKIN[min(low + 1, len(SKIN) - 1)] - SKIN[low]) * (index - low)
    tone = tone * rng.uniform(0.85, 1.1) + rng.normal(0, 0.015, 3)
    shade = 1.0 + rng.uniform(0.0, 0.1) * fractal(rng, height, width, 2, 3)
    shade += rng.uniform(0.0, 0.09) * fractal(rng, height, width, fine, 3)
    crease = top - rng.uniform(0.15, 0.6) * (1.0 - 0.5 * np.clip(np.abs(u) / lids.half_width, 0, 1) ** 2)
    near = np.exp(-(np.maximum(np.abs(u) / lids.half_width - 0.7, 0.0) ** 2) / 0.1)  # lines fade past the corners
    above = crease - v  # the fold: sharp below, fading upwards
    fold = np.exp(-np.maximum(above / rng.uniform(0.08, 0.4), -above / rng.uniform(0.02, 0.1)))
    shade -= near * rng.uniform(0.0, 0.6) * fold
    for _ in range(int(rng.integers(0, 5))):
        line = bottom + rng.uniform(0.2, 1.6) + 0.12 * u * rng.normal()
        shade -= near * rng.uniform(0.03, 0.16) * np.exp(-(((v - line) / rng.uniform(0.03, 0.07)) ** 2))
    outside = np.abs(u) / lids.half_width
    shade -= rng.uniform(0.0, 0.25) * np.exp(-(((outside - 1.05) / 0.15) ** 2 + (v / 0.5) ** 2))
    colour = np.asarray(tone, np.float32) * shade[..., None]
    red = np.exp(-((np.minimum(np.abs(v - top), np.abs(v - bottom)) / 0.35) ** 2)) * edge(1.25 - outside, 0.4)
    colour *= 1.0 - red[..., None] * np.array([-0.02, 0.10, 0.09], np.float32) * rng.uniform(0, 1.6)
    if rng.random() < 0.15:  # eye shadow
        height_of_it = rng.uniform(0.6, 1.6) * np.clip(1.1 - 0.7 * outside * outside, 0, 1)
        paint = edge(top - v, 0.4) * edge(v - top + height_of_it, 0.5) * edge(1.2 - outside, 0.5)
        blend(colour, rng.uniform(0.05, 0.8, 3), np.asarray(paint * rng.uniform(0.2, 0.7), np.float32))
    if rng.random() < 0.12:  # kohl smudged all round, or rings under tired eyes
        near_lids = np.minimum(np.abs(v - top), np.abs(v - bottom))
        smudge = np.exp(-((near_lids / rng.uniform(0.15, 0.6)) ** 2)) * edge(1.3 - outside, 0.6)
        blend(colour, tone * rng.uniform(0.05, 0.6), np.asarray(smudge * rng.uniform(0.3, 0.9), np.float32))
    return np.asarray(colour, np.float32)


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


def glasses(rng: Rng, picture: Field, u: Field, v: Field) -> None:
    """The rim of one glass round the eye, and glare on it, painted into `picture`."""
    x, y = u + rng.normal(0, 0.5), v + rng.normal(0, 0.4)
    r = np.hypot(x / rng.uniform(3.0, 5.5), y / rng.uniform(2.0, 3.6))
    upper = np.where(y < 0, 1.0, rng.uniform(0.1, 1.0))  # many rims are stronger above
    rim = (1.0 - edge(np.abs(r - 1.0) - rng.uniform(0.015, 0.07), 0.02)) * upper
    blend(picture, rng.uniform(0, 0.5) * rng.uniform(0.4, 1.0, 3), np.asarray(rim, np.float32))
    spot = np.hypot(x - rng.uniform(-2.5, 2.5), (y - rng.uniform(-1.8, 1.8)) * rng.uniform(1, 3))
    glare = (1.0 - edge(spot - rng.uniform(0.1, 0.6), 0.2)) * (np.hypot(u, v) > 1.2) * rng.uniform(0, 0.9)
    blend(picture, np.ones(3), np.asarray(glare, np.float32))


def lid_shadow(rng: Rng, v: Field, top: Field, height: int, width: int) -> Field:
    """(H, W) factor ≤ 1: the upper lid and its lashes darken the eyeball beneath them."""
    depth = rng.uniform(0.1, 0.75)
    reach = rng.uniform(0.15, 0.6)
    wave = 1.0 + 0.25 * smooth(rng, height, width, 6)
    return np.asarray(1.0 - depth * np.exp(-np.maximum(v - top, 0.0) / (reach * wave)), np.float32)
