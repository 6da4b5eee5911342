"""Reflections on the cornea: windows, ring lights, flashes, screens, skies; and how the scene is lit."""

import numpy as np

from export.drawing.fields import Field, Rng, blend, edge
from export.drawing.noise import smooth


def _window(rng: Rng, u: Field, v: Field) -> Field:
    """A bright rectangle bent by the cornea, sometimes with bars or dark shapes in it."""
    centre = rng.uniform(-0.5, 0.5, 2)
    angle = rng.normal(0, 0.25)
    x = (u - centre[0]) * np.cos(angle) + (v - centre[1]) * np.sin(angle)
    y = -(u - centre[0]) * np.sin(angle) + (v - centre[1]) * np.cos(angle)
    x = x + rng.uniform(-0.5, 0.5) * y * y
    y = y + rng.uniform(-0.5, 0.5) * x * x
    half = rng.uniform(0.06, 0.4, 2)
    soft = rng.uniform(0.02, 0.12)
    shape = edge(half[0] - np.abs(x), soft) * edge(half[1] - np.abs(y), soft)
    if rng.random() < 0.5:
        bars = int(rng.integers(1, 4))
        phase = np.abs((x / half[0] * bars / 2) % 1.0 - 0.5) * 2
        shape = shape * edge(phase - rng.uniform(0.1, 0.35), 0.15)
        if rng.random() < 0.5:
            shape = shape * edge(np.abs(y) - 0.05 * half[1], 0.03)
    if rng.random() < 0.3:
        shape = shape * np.clip(0.7 + 0.5 * smooth(rng, u.shape[0], u.shape[1], cells=14), 0, 1)
    return np.asarray(shape, np.float32)


def _ring(rng: Rng, u: Field, v: Field) -> Field:
    centre = rng.normal(0, 0.12, 2)
    r = np.hypot(u - centre[0], (v - centre[1]) * rng.uniform(0.95, 1.05))
    band = edge(rng.uniform(0.03, 0.09) - np.abs(r - rng.uniform(0.15, 0.5)), 0.05)
    if rng.random() < 0.3:
        band = band * (0.5 + 0.5 * np.sign(np.sin(np.arctan2(v, u) * rng.integers(8, 40))))
    return np.asarray(band, np.float32)


def _points(rng: Rng, u: Field, v: Field) -> Field:
    total = np.zeros_like(u)
    for _ in range(int(rng.integers(1, 5))):
        centre = rng.uniform(-0.6, 0.6, 2)
        r = np.hypot(u - centre[0], v - centre[1])
        size = rng.uniform(0.02, 0.15)
        total = np.maximum(total, edge(size - r, rng.uniform(0.03, 0.1)))
        if rng.random() < 0.4:  # glare round it
            total = np.maximum(total, 0.5 * np.exp(-((r / (size * 3)) ** 2)))
    return total


def _sky(rng: Rng, u: Field, v: Field) -> Field:
    """A pale veil over the upper part, ragged below like a row of houses or trees."""
    height, width = u.shape
    horizon = rng.uniform(-0.6, 0.3) + 0.15 * smooth(rng, 1, width, 1)[0][None, :] * np.ones((height, 1), np.float32)
    veil = edge(horizon - v - rng.uniform(-0.2, 0.2) * u, rng.uniform(0.05, 0.3))
    return np.asarray(veil * np.clip(0.7 + 0.4 * smooth(rng, height, width, 8), 0, 1), np.float32)


def reflections(rng: Rng, u: Field, v: Field) -> Field:
    """The reflections on a cornea at the origin (radius 1): (H, W, 3) light to add."""
    light = np.zeros((u.shape[0], u.shape[1], 3), np.float32)
    for _ in range(int(rng.choice([0, 1, 2, 3], p=[0.12, 0.50, 0.28, 0.10]))):
        kind = rng.choice(4, p=[0.38, 0.14, 0.34, 0.14])
        shape = (_window, _ring, _points, _sky)[kind](rng, u, v)
        strength = rng.uniform(0.1, 0.45) if kind == 3 or rng.random() < 0.2 else rng.uniform(0.45, 1.0)
        tint = np.array([1.0, 1.0, 1.0]) - rng.uniform(0, 0.35, 3) * (rng.random() < 0.5)
        layer = np.asarray(shape * strength, np.float32)
        light = light * (1 - layer[..., None]) + layer[..., None] * tint.astype(np.float32)
    reach = 1.0 - edge(np.hypot(u, v) - rng.uniform(0.9, 1.3), 0.3)
    return np.asarray(light * reach[..., None], np.float32)


def room(rng: Rng, u: Field, v: Field) -> Field:
    """A whole room mirrored in a dark eye, dim and bent: (H, W, 3) light to add."""
    bulge = 1.0 + rng.uniform(0.1, 0.8) * (u * u + v * v)
    turn = rng.normal(0, 0.2)
    x = (u * np.cos(turn) + v * np.sin(turn)) * bulge
    y = (v * np.cos(turn) - u * np.sin(turn)) * bulge
    scene = np.zeros((*u.shape, 3), np.float32)
    scene += rng.uniform(0, 0.4, 3)
    for _ in range(int(rng.integers(3, 12))):
        left, top = rng.uniform(-1.2, 1.0, 2)
        wide, high = rng.gamma(2.0, 0.25, 2) + 0.05
        inside = np.minimum(np.minimum(x - left, left + wide - x), np.minimum(y - top, top + high - y))
        colour = np.clip(rng.uniform(0, 1) + rng.normal(0, 0.1, 3), 0, 1)
        blend(scene, colour, edge(inside, rng.uniform(0.01, 0.15)))
    reach = 1.0 - edge(np.hypot(u, v) - rng.uniform(0.6, 1.0), rng.uniform(0.05, 0.4))
    return np.asarray(scene * (rng.uniform(0.1, 0.6) * reach)[..., None], np.float32)


def lamp(rng: Rng, height: int, width: int) -> Field:
    """(H, W) brightness of the light falling on the scene: a slope, a soft shadow and a darker rim."""
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = xs / width - 0.5, ys / height - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    field = 1.0 + rng.uniform(0, 0.7) * (x * np.cos(angle) + y * np.sin(angle))
    if rng.random() < 0.35:
        field = field * (1.0 - rng.uniform(0.1, 0.5) * edge(smooth(rng, height, width, 2), 0.5))
    field = field * (1.0 - rng.uniform(0, 0.5) * (x * x + y * y))
    return np.asarray(np.clip(field, 0.15, 1.8), np.float32)


def coloured(rng: Rng, lit: Field) -> Field:
    """(H, W, 3) or, of one colour, (H, W, 1): `lit` alone, or now and then two lamps of different colours."""
    if rng.random() > 0.12:
        return lit[..., None]
    height, width = lit.shape
    first, second = 1.0 - rng.uniform(0.0, 0.7, (2, 3)) * rng.random((2, 1))
    meet = edge(smooth(rng, height, width, 1.5), rng.uniform(0.3, 2.0))[..., None]
    return np.asarray(lit[..., None] * (first + (second - first) * meet), np.float32)
