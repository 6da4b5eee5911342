"""Pictures of nothing in particular: leaves upon leaves of all sizes, so that the enhancer sees every edge and grain.

Dead leaves (Matheron 1968; Lee, Mumford & Huang 2001) have the statistics of photos: hard edges at every scale that
hide one another. Networks that restore photos learn from them nearly what they learn from photos (Achddou, Gousseau &
Ladjal 2021), and they are free of rights.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from export.drawing.fields import Rng
from export.drawing.light import lamp
from export.drawing.noise import fractal

OVERSAMPLING = 2
LEAST_PX = 3.0
MATERIALS = 6


def draw_texture(seed: int, side_px: int) -> NDArray[np.uint8]:
    """Draw picture number `seed`, (side, side, 3) uint8 sRGB, sharp to the pixel."""
    rng = np.random.default_rng(seed)
    side = side_px * OVERSAMPLING
    palette = _palette(rng)
    canvas = palette[0] + rng.uniform(0.1, 1.0) * (_material(rng, side) - 0.5)
    radii = _radii(rng, LEAST_PX * rng.uniform(0.7, 4.0), rng.uniform(0.1, 0.5) * side, int(rng.integers(400, 1600)))
    focus = int(rng.integers(0, MATERIALS)) if rng.random() < 0.4 else 0  # layers below this one are out of focus
    for layer in range(MATERIALS):
        leaf_of = np.zeros((side, side), np.uint8)
        for radius in radii[layer::MATERIALS]:
            _leaf(rng, canvas, leaf_of, radius, palette[rng.integers(len(palette))])
        mask = leaf_of > 0
        canvas[mask] += rng.uniform(0.0, 1.2) * (_material(rng, side)[mask] - 0.5)
        if layer < focus:
            canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.8, 4.0)), np.float32)
    canvas *= lamp(rng, side, side)[..., None]
    small = cv2.resize(canvas, (side_px, side_px), interpolation=cv2.INTER_AREA)
    return np.asarray(np.clip(small * 255 + 0.5, 0, 255), np.uint8)


def _radii(rng: Rng, least: float, largest: float, count: int) -> NDArray[np.float64]:
    """`count` radii between two lengths, with density ~ radius^-e; e = 3 looks the same at any zoom."""
    power = 1.0 - rng.uniform(1.6, 3.0)
    u = rng.random(count)
    return np.asarray((least**power * (1 - u) + largest**power * u) ** (1 / power))


def _palette(rng: Rng) -> NDArray[np.float32]:
    """Colours of one scene: shades around a few hues, from near grey to vivid."""
    hues = rng.uniform(0.05, 0.95, (3, 3))
    grey = hues.mean(1, keepdims=True)
    hues = grey + (hues - grey) * rng.uniform(0.1, 1.0)
    shades = hues[rng.integers(0, 3, 24)] * rng.uniform(0.3, 1.5, (24, 1)) + rng.normal(0, 0.04, (24, 3))
    return np.asarray(np.clip(shades, 0, 1), np.float32)


def _material(rng: Rng, side: int) -> NDArray[np.float32]:
    """(side, side, 3) about 0.5: fur or fibres in one direction, or any roughness from cloud to sand."""
    field = _fibres(rng, side) if rng.random() < 0.5 else _rough(rng, side)
    if rng.random() < 0.4:  # tufts: denser in some places than in others
        field = field * np.clip(0.6 + 0.6 * fractal(rng, side, side, rng.uniform(3, 20), 3), 0, 2)
    field = field / max(float(field.std()), 1e-6) * rng.uniform(0.02, 0.16)
    tint = 1.0 + rng.normal(0, 0.12, 3)
    return np.asarray(0.5 + field[..., None] * tint, np.float32)


def _fibres(rng: Rng, side: int) -> NDArray[np.float32]:
    """Noise stretched along a line, in several layers each twice as coarse, like hairs over one another."""
    total, angle = np.zeros((side, side), np.float32), rng.uniform(0, 180)
    for octave in range(int(rng.integers(1, 4))):
        size = max(side >> octave, 8)
        along = int(rng.integers(7, 48)) | 1
        kernel = np.zeros((along, along), np.float32)
        kernel[along // 2] = 1.0 / along
        middle = along / 2 - 0.5
        turned = cv2.warpAffine(
            kernel, cv2.getRotationMatrix2D((middle, middle), angle + rng.normal(0, 12), 1.0), (along, along)
        )
        grain = cv2.filter2D(rng.standard_normal((size, size), np.float32), -1, turned)
        total += np.asarray(cv2.resize(grain, (side, side), interpolation=cv2.INTER_CUBIC), np.float32)
    return total


def _rough(rng: Rng, side: int) -> NDArray[np.float32]:
    """Noise with a spectrum ~ 1 / frequency^e, stretched in one direction, sometimes folded into ridges."""
    frequency = np.fft.fftfreq(side).astype(np.float32)
    angle, squeeze = rng.uniform(0, np.pi), np.exp(rng.uniform(0, 1.2))
    fx, fy = frequency[None, : side // 2 + 1], frequency[:, None]
    u, v = fx * np.cos(angle) + fy * np.sin(angle), (fy * np.cos(angle) - fx * np.sin(angle)) * squeeze
    spectrum = 1.0 / np.maximum(np.hypot(u, v), 2 / side) ** rng.uniform(0.3, 1.8)
    white = np.fft.rfft2(rng.standard_normal((side, side), np.float32))
    field = np.fft.irfft2(white * spectrum, s=(side, side)).astype(np.float32)
    return np.asarray(np.abs(field) if rng.random() < 0.3 else field, np.float32)


def _leaf(
    rng: Rng, canvas: NDArray[np.float32], leaf_of: NDArray[np.uint8], radius: float, colour: NDArray[np.float32]
) -> None:
    """One leaf: an ellipse, a polygon or a strand of one colour, over the leaves before it."""
    side = len(canvas)
    centre = rng.uniform(0, side, 2)
    kind = rng.choice(3, p=[0.4, 0.4, 0.2])
    if kind == 0:
        angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
        shape = np.column_stack([np.cos(angles), np.sin(angles) * rng.uniform(0.3, 1.0)]) * radius
    elif kind == 1:
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
        shape = np.column_stack([np.cos(angles), np.sin(angles)]) * radius
    else:  # a strand: thin, long, a little bent
        t = np.linspace(-1, 1, 12)
        bend = rng.normal(0, 0.3) * t * t
        width = np.maximum(0.6, radius * 0.08 * (1 - t * t))
        spine = t * radius * 3
        upper = np.column_stack([spine, bend * radius * 3 + width])
        lower = np.column_stack([spine, bend * radius * 3 - width])
        shape = np.concatenate([upper, lower[::-1]])
    turn = rng.uniform(0, 2 * np.pi)
    rotated = shape @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = np.round((rotated + centre) * 16).astype(np.int32)
    cv2.fillPoly(canvas, [points], colour.tolist(), cv2.LINE_8, 4)
    cv2.fillPoly(leaf_of, [points], 1, cv2.LINE_8, 4)
