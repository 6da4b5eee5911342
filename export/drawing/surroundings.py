"""What a frame shows round an eye: the form of the socket, wrinkles, glasses, what is beyond the face."""

import cv2
import numpy as np

from export.drawing.fields import Field, Rng, blend, edge
from export.drawing.hair import HAIR, hairs
from export.drawing.lids import Lids
from export.drawing.noise import smooth, stretched


def relief(rng: Rng, u: Field, v: Field, lids: Lids) -> Field:
    """(H, W) brightness of the skin from its form: a deep socket, the bridge of the nose, the ridge under the brow."""
    height, width = u.shape
    small = (max(width // 4, 8), max(height // 4, 8))  # the form has no fine detail
    x, y = (np.asarray(cv2.resize(f, small), np.float32) / lids.half_width for f in (u, v))
    nose = rng.choice([-1.0, 1.0]) * x  # 1 at the inner corner
    shade = 1.0 - rng.uniform(0.0, 0.5) * np.exp(-((x / 1.2) ** 2 + ((y + 0.25) / 0.7) ** 2))
    shade -= rng.uniform(0.0, 0.55) * np.exp(-(((nose - 1.2) / 0.3) ** 2 + ((y + 0.3) / 0.5) ** 2))
    shade += rng.uniform(0.0, 0.3) * edge(
        nose - 1.4 + rng.uniform(0.1, 0.5) * np.minimum(np.abs(y), 2) ** 1.5, rng.uniform(0.3, 0.9)
    )
    shade += rng.uniform(0.0, 0.2) * np.exp(-(((y + rng.uniform(0.7, 1.3) - 0.3 * np.minimum(x * x, 1.5)) / 0.25) ** 2))
    shade += rng.uniform(-0.1, 0.25) * edge(y - rng.uniform(0.6, 1.0) - 0.2 * x, rng.uniform(0.4, 1.0))
    if rng.random() < 0.3:  # the lamp is on one side only
        turn = rng.uniform(0, 2 * np.pi)
        shade *= 1.0 - rng.uniform(0.2, 0.75) * edge(x * np.cos(turn) + y * np.sin(turn) - rng.normal(0, 0.7), 1.2)
    return np.asarray(cv2.resize(np.clip(shade, 0.12, 1.8), (width, height), interpolation=cv2.INTER_LINEAR))


def wrinkles(rng: Rng, u: Field, v: Field, lids: Lids, radius_px: float) -> Field:
    """(H, W) opacity of the lines that fan out from the outer corner and run below the lower lid."""
    count = int(rng.integers(2, 9))
    side = rng.choice([-1.0, 1.0])
    fan = np.linspace(-0.6, 0.9, count) + rng.normal(0, 0.08, count)
    roots = np.stack([np.full(count, side * lids.half_width * 1.1), fan * 0.6], axis=1) + rng.normal(
        0, 0.06, (count, 2)
    )
    directions = np.stack([side * np.cos(fan), np.sin(fan)], axis=1)
    width_px = max(radius_px * rng.uniform(0.02, 0.06), 0.6)
    lines = hairs(rng, u, v, roots, directions, rng.uniform(0.5, 1.6), rng.uniform(-0.3, 0.2), width_px)
    below = int(rng.integers(0, 5))
    if below:
        roots = np.stack(
            [np.full(below, -0.7 * side * lids.half_width), lids.lower + rng.uniform(0.15, 0.9, below)], axis=1
        )
        directions = np.stack([np.full(below, side), rng.uniform(-0.05, 0.3, below)], axis=1)
        lines = np.maximum(lines, hairs(rng, u, v, roots, directions, lids.half_width * 1.2, 0.3, width_px))
    return np.asarray(cv2.GaussianBlur(lines, (0, 0), max(0.6, width_px * 0.4)), np.float32)


def beyond(rng: Rng, skin: Field, u: Field, v: Field, lids: Lids) -> None:
    """The end of the face within the frame, painted into `skin`: hair, or a blurred background behind it."""
    height, width = u.shape
    turn = rng.normal(0, 0.35) + (np.pi if rng.random() < 0.5 else 0.0)
    if rng.random() < 0.2:
        turn -= np.pi / 2  # a fringe over the brow
    across = u * np.cos(turn) + v * np.sin(turn)
    along = v * np.cos(turn) - u * np.sin(turn)
    ends = lids.half_width + rng.uniform(0.4, 4.0) - rng.uniform(-0.03, 0.12) * along * along
    mask = edge(across - np.maximum(ends, lids.half_width + 0.3), rng.uniform(0.05, 0.8))
    if rng.random() < 0.5:
        lines = stretched(rng, height, width, 4, 60) if rng.random() < 0.7 else stretched(rng, height, width, 30, 12)
        tone = HAIR[rng.choice(len(HAIR))] * rng.uniform(0.6, 1.6)
        behind = tone * (1.0 + rng.uniform(0.2, 0.9) * lines)[..., None]
    else:
        first, second = rng.uniform(0, 1, (2, 3)) ** rng.uniform(0.4, 1.5)
        behind = (
            first
            + (second - first) * edge(smooth(rng, height, width, rng.uniform(1, 6)), rng.uniform(0.2, 2))[..., None]
        )
    blend(skin, np.asarray(behind, np.float32), mask)


def glasses(rng: Rng, picture: Field, u: Field, v: Field) -> None:
    """The rim of a lens round the eye, and glare on it, painted into `picture`."""
    x, y = u + rng.normal(0, 0.5), v + rng.normal(0, 0.4)
    r = np.hypot(x / rng.uniform(3.0, 5.5), y / rng.uniform(2.0, 3.6))
    upper = np.where(y < 0, 1.0, rng.uniform(0.1, 1.0))  # many rims are thicker above
    rim = (1.0 - edge(np.abs(r - 1.0) - rng.uniform(0.015, 0.07), 0.02)) * upper
    blend(picture, rng.uniform(0, 0.5) * rng.uniform(0.4, 1.0, 3), np.asarray(rim, np.float32))
    spot = np.hypot(x - rng.uniform(-2.5, 2.5), (y - rng.uniform(-1.8, 1.8)) * rng.uniform(1, 3))
    glare = (1.0 - edge(spot - rng.uniform(0.1, 0.6), 0.2)) * (np.hypot(u, v) > 1.2) * rng.uniform(0, 0.9)
    blend(picture, np.ones(3), np.asarray(glare, np.float32))
