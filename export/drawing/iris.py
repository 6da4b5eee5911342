"""The coloured disc: fibres, crypts, collarette, furrows, limbal ring, heterochromia, freckles."""

from dataclasses import dataclass

import cv2
import numpy as np

from export.drawing.fields import Field, Rng, edge
from export.drawing.noise import stretched

# sRGB in 0–1: the deep stroma, its middle, its lightest fibres, the zone round the pupil.
PALETTES = np.array(
    [
        [[0.04, 0.03, 0.03], [0.08, 0.06, 0.05], [0.15, 0.11, 0.09], [0.09, 0.06, 0.05]],  # near-black
        [[0.10, 0.06, 0.04], [0.20, 0.12, 0.08], [0.33, 0.21, 0.13], [0.23, 0.13, 0.07]],  # dark brown
        [[0.18, 0.10, 0.05], [0.34, 0.20, 0.10], [0.52, 0.33, 0.18], [0.36, 0.19, 0.08]],  # brown
        [[0.30, 0.18, 0.07], [0.52, 0.34, 0.14], [0.73, 0.53, 0.26], [0.50, 0.28, 0.09]],  # amber
        [[0.17, 0.16, 0.09], [0.36, 0.33, 0.19], [0.56, 0.51, 0.32], [0.46, 0.28, 0.11]],  # hazel
        [[0.15, 0.20, 0.14], [0.35, 0.42, 0.30], [0.60, 0.65, 0.48], [0.51, 0.43, 0.20]],  # green
        [[0.20, 0.24, 0.27], [0.42, 0.47, 0.50], [0.68, 0.72, 0.73], [0.56, 0.52, 0.43]],  # grey
        [[0.14, 0.23, 0.36], [0.32, 0.45, 0.61], [0.60, 0.72, 0.82], [0.52, 0.50, 0.42]],  # blue
        [[0.36, 0.47, 0.56], [0.57, 0.69, 0.77], [0.83, 0.90, 0.94], [0.66, 0.69, 0.68]],  # ice blue
    ],
    np.float32,
)
PALETTE_SHARES = np.array([0.14, 0.17, 0.15, 0.07, 0.11, 0.10, 0.10, 0.11, 0.05])


@dataclass(frozen=True)
class Iris:
    """A drawn iris on the picture's grid: (H, W, 3) colour and (H, W) opacities of the disc and its pupil."""

    colour: Field
    disc: Field
    pupil: Field


def _palette(rng: Rng) -> Field:
    first, second = rng.choice(len(PALETTES), 2, p=PALETTE_SHARES)
    if abs(int(first) - int(second)) > 2:
        second = first
    mix = rng.uniform(0.0, 0.5)
    tint = rng.uniform(-0.03, 0.03, (1, 3)) * PALETTES[first][1].mean() * 3
    mixed = (1 - mix) * PALETTES[first] + mix * PALETTES[second] + tint
    return np.asarray(np.clip(mixed, 0.01, 1.0), np.float32)


def _fibres(rng: Rng, rows: int, columns: int) -> Field:
    """Radial strands: noise that is much finer round the iris than along its radius, bent sideways a little."""
    total = np.zeros((rows, columns), np.float32)
    weight = 1.0
    for around, along in ((36, 3), (80, 5), (170, 7), (340, 10), (700, 16)):
        if around * 2 > columns:
            break
        layer = stretched(rng, rows, columns, along, around, wrap=True)
        total += weight * (0.6 - np.abs(layer) if rng.random() < 0.6 else layer)
        weight *= 0.78
    bend = stretched(rng, rows, columns, 4, 14, wrap=True) * columns / 140.0
    bend += stretched(rng, rows, columns, 8, 60, wrap=True) * columns / 700.0
    ys, xs = np.mgrid[0:rows, 0:columns].astype(np.float32)
    return np.asarray(cv2.remap(total, (xs + bend) % (columns - 1), ys, cv2.INTER_LINEAR), np.float32)


def polar_texture(rng: Rng, rows: int, columns: int) -> Field:
    """(rows, columns, 3) iris colours: rows from the pupil's edge to the limbus, columns round the clock."""
    deep, mid, light, core = _palette(rng)
    radius = np.linspace(0.0, 1.0, rows, dtype=np.float32)[:, None]
    around = np.linspace(0.0, 2 * np.pi, columns, dtype=np.float32)[None, :]
    tone, collarette = _tone(rng, radius, columns, darkness=float(1.0 - mid.mean()))
    low = np.clip(tone * 2.0, 0.0, 1.0)[..., None]
    high = np.clip(tone * 2.0 - 1.0, 0.0, 1.0)[..., None]
    colour = deep + (mid - deep) * low + (light - mid) * high
    reach = rng.uniform(0.0, 1.0) if rng.random() < 0.75 else 0.0  # central heterochromia
    zone = reach * (1.0 - edge(radius - collarette * rng.uniform(0.9, 1.5), 0.35))
    zone = zone * (0.75 + 0.4 * stretched(rng, rows, columns, 3, 40, wrap=True))
    colour += (core * (0.55 + 0.8 * tone[..., None]) - colour) * np.clip(zone, 0, 0.9)[..., None]
    _marks(rng, colour, tone, radius, around)
    limbus = rng.uniform(0.1, 0.85) * edge(radius - rng.uniform(0.8, 0.95), rng.uniform(0.12, 0.35))
    colour *= 1.0 - limbus[..., None]
    colour *= 1.0 - (rng.uniform(0.0, 0.5) * np.exp(-radius / 0.03))[..., None]
    return np.asarray(np.clip(colour, 0.0, 1.0), np.float32)


def _tone(rng: Rng, radius: Field, columns: int, darkness: float) -> tuple[Field, Field]:
    """How light the tissue is, (rows, columns), about 0.5; and the radius of the collarette, (1, columns)."""
    rows = len(radius)
    tone = 0.5 + rng.uniform(0.2, 0.55) * _fibres(rng, rows, columns)
    collarette = rng.uniform(0.16, 0.42) + 0.05 * stretched(rng, 1, columns, 2, 26, wrap=True)
    ridge = np.exp(-(((radius - collarette) / rng.uniform(0.03, 0.09)) ** 2))
    tone += rng.uniform(0.0, 0.45) * ridge
    if rng.random() < 0.7:  # crypts: dark openings beside the collarette
        holes = stretched(rng, rows, columns, 6, 42, wrap=True)
        holes = holes + 0.35 * stretched(rng, rows, columns, 14, 130, wrap=True)
        crypts = rng.uniform(0.3, 0.9) * edge(holes - 0.62, rng.uniform(0.3, 0.9))
        tone -= crypts * np.exp(-(((radius - 0.45) / 0.28) ** 2))
    if rng.random() < 0.3 + 0.4 * darkness:  # contraction furrows: arcs near the limbus
        wave = radius * rng.uniform(25, 45) + 1.5 * stretched(rng, rows, columns, 3, 9, wrap=True)
        patch = stretched(rng, rows, columns, 3, 7, wrap=True)
        tone += 0.18 * np.sin(wave) * edge(radius - 0.55, 0.3) * np.clip(0.6 + patch, 0, 1)
    return tone, collarette


def _marks(rng: Rng, colour: Field, tone: Field, radius: Field, around: Field) -> None:
    """A sector of another colour and freckles, now and then, painted into `colour` (rows, columns, 3)."""
    if rng.random() < 0.07:
        other = _palette(rng)[1]
        span = edge(np.cos(around - rng.uniform(0, 6.3)) - rng.uniform(0.6, 0.95), 0.1)
        colour += (other * (0.5 + tone[..., None]) - colour) * (0.85 * span * np.ones_like(radius))[..., None]
    for _ in range(int(rng.integers(0, 6)) if rng.random() < 0.25 else 0):
        freckle = np.hypot((radius - rng.uniform(0.3, 0.95)) * 1.2, np.sin((around - rng.uniform(0, 6.3)) / 2) * 2)
        colour *= 1.0 - 0.6 * (1.0 - edge(freckle - rng.uniform(0.02, 0.07), 0.03))[..., None]


def draw_iris(rng: Rng, u: Field, v: Field, radius_px: float) -> Iris:
    """Draw an iris of radius 1 round the origin of the coordinate fields `u`, `v` (H, W)."""
    dilation = float(np.clip(rng.normal(0.38, 0.12), 0.14, 0.75))
    shift = rng.normal(0.0, 0.02, 2)
    squash = 1.0 + rng.normal(0.0, 0.02)
    r = np.sqrt(u * u + v * v)
    pupil_r = np.hypot((u - shift[0]) * squash, v - shift[1]) / dilation
    rough = 1.0 + 0.008 * np.sin(np.arctan2(v, u) * rng.integers(3, 9) + rng.uniform(0, 6))
    pupil_r = pupil_r * rough
    columns = int(np.clip(radius_px * 6.5, 96, 6000))
    rows = int(np.clip(radius_px, 24, 1200))
    texture = polar_texture(rng, rows, columns)
    t = np.clip((pupil_r - 1.0) * dilation / (1.0 - dilation), 0.0, 1.0)
    angle = (np.arctan2(v, u) / (2 * np.pi) + 0.5) * (columns - 1)
    colour = cv2.remap(texture, angle, (t * (rows - 1)).astype(np.float32), cv2.INTER_LINEAR)
    facing = rng.uniform(0, 2 * np.pi)  # light that comes in through the cornea falls on the far side
    colour = colour * (1.0 + rng.uniform(0.0, 0.3) * (u * np.cos(facing) + v * np.sin(facing)))[..., None]
    pixel = 1.5 / radius_px
    disc = 1.0 - edge(r - 1.0, rng.uniform(0.02, 0.14) + pixel)
    pupil = 1.0 - edge((pupil_r - 1.0) * dilation, rng.uniform(0.01, 0.05) + pixel)
    return Iris(np.asarray(colour, np.float32), disc, pupil)
