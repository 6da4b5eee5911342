"""What eyes have that catalogues do not show: stained scleras, grey rings, wet and everted lids, sheen, fingertips."""

import numpy as np

from export.drawing.fields import Field, Rng, blend, edge
from export.drawing.iris import Iris
from export.drawing.lids import Lids
from export.drawing.noise import fractal, smooth

PIGMENT = np.array([0.40, 0.26, 0.16], np.float32)
CONJUNCTIVA = np.array([[0.62, 0.16, 0.16], [0.80, 0.40, 0.36], [0.88, 0.62, 0.52], [0.45, 0.20, 0.16]], np.float32)


def stain(rng: Rng, ball: Field, u: Field, v: Field) -> None:
    """Turn a white sclera `ball` (H, W, 3) yellow, brown, bloodshot or dark; `u`, `v` from the centre of the iris."""
    height, width = u.shape
    dice = rng.random()
    if dice < 0.30:  # yellow to orange
        ball *= np.array([1.0, rng.uniform(0.66, 0.95), rng.uniform(0.25, 0.7)], np.float32)
    elif dice < 0.42:  # grey, brown, in shadow
        ball *= rng.uniform(0.25, 0.75) * np.array([1.0, rng.uniform(0.75, 1.0), rng.uniform(0.6, 1.0)], np.float32)
    elif dice < 0.55:  # bloodshot
        ball *= np.array([1.0, rng.uniform(0.6, 0.9), rng.uniform(0.6, 0.9)], np.float32)
    patches = fractal(rng, height, width, rng.uniform(2, 6), 3)
    if rng.random() < 0.35:
        blend(ball, PIGMENT * rng.uniform(0.5, 1.5), rng.uniform(0.1, 0.6) * edge(patches - 0.2, 0.8))
    if rng.random() < 0.3:  # a brown or yellow belt to both sides of the iris
        belt = np.exp(-((v / rng.uniform(0.3, 0.8)) ** 2)) * np.exp(-np.maximum(np.abs(u) - 1, 0) / 0.6)
        blend(ball, np.array([0.6, 0.42, 0.22]), np.asarray(rng.uniform(0.1, 0.6) * belt, np.float32))
    if rng.random() < 0.3:
        blend(ball, np.array([0.65, 0.25, 0.22]), rng.uniform(0.1, 0.5) * edge(-patches - 0.1, 1.0))


def wet(rng: Rng, picture: Field, u: Field, v: Field, at: Field | None = None) -> None:
    """Small bright glints of tears, painted into `picture`: anywhere, or in clusters where `at` (H, W) is above 0."""
    bright = np.zeros_like(u)
    for _ in range(int(rng.integers(1, 7))):
        x, y = u - rng.uniform(-2.4, 2.4), v - rng.uniform(-1.2, 1.6)
        turn, size = rng.uniform(0, np.pi), rng.uniform(0.02, 0.12)
        long, short = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
        bright = np.maximum(bright, 1 - edge(np.hypot(long / rng.uniform(1, 4), short) - size, 0.05))
    if at is not None:
        grain = fractal(rng, u.shape[0], u.shape[1], rng.uniform(20, 50), 2)
        bright = np.maximum(bright * 0.5, edge(grain - rng.uniform(0.4, 0.9), 0.5)) * at
    blend(picture, np.ones(3), np.asarray(rng.uniform(0.2, 0.9) * bright, np.float32))


def age(rng: Rng, iris: Iris, u: Field, v: Field) -> Iris:
    """The iris darker, flatter, behind a haze or with a grey ring inside the limbus: `u`, `v` as it was drawn."""
    colour = iris.colour
    if rng.random() < 0.75:
        flat = np.median(colour[::8, ::8].reshape(-1, 3), axis=0) * np.array([1.0, rng.uniform(0.6, 1), 1.0])
        brown = np.array([0.16, 0.09, 0.05]) * rng.uniform(0.1, 2.2)
        flat += (brown - flat) * rng.uniform(0.3, 1.0)
        colour = colour + (flat - colour) * rng.uniform(0.3, 0.97)
    if rng.random() < 0.2:
        ring = np.exp(-(((np.hypot(u, v) - rng.uniform(0.8, 0.95)) / rng.uniform(0.04, 0.12)) ** 2))
        turn, reach = rng.uniform(0, 2 * np.pi), rng.uniform(-1.0, 0.3)
        ring = ring * edge(np.cos(np.arctan2(v, u) - turn) - reach, 0.8)
        grey = np.array([0.55, 0.60, 0.64]) * rng.uniform(0.4, 1.2)
        colour = colour + (grey - colour) * (rng.uniform(0.2, 0.8) * ring)[..., None]
    if rng.random() < 0.3:
        haze = rng.uniform(0.05, 0.35) * (1 + 0.4 * smooth(rng, u.shape[0], u.shape[1], 3))
        veil = np.array([0.5, 0.5, 0.5]) + rng.uniform(-0.15, 0.15, 3)
        colour = colour + (veil - colour) * haze[..., None]
    return Iris(np.asarray(np.clip(colour, 0, 1), np.float32), iris.disc, iris.pupil)


def everted(rng: Rng, skin: Field, u: Field, v: Field, lids: Lids, bottom: Field, thick: float) -> None:
    """The red inside of a lower lid that is pulled down, `thick` iris radii of it, painted into `skin`."""
    t = np.clip(np.abs(u) / lids.half_width, 0, 1)
    depth = thick * np.sqrt(np.maximum(1 - t * t, 0))
    inside = edge(v - bottom, 0.05) * edge(bottom + depth - v, 0.08) * edge(1 - t, 0.1)
    along = np.clip((v - bottom) / max(thick, 0.05), 0, 1)
    deep, rim = CONJUNCTIVA[rng.integers(len(CONJUNCTIVA), size=2)]
    colour = deep + (rim - deep) * along[..., None]
    colour = colour * (1 + rng.uniform(0.05, 0.25) * fractal(rng, u.shape[0], u.shape[1], 8, 3))[..., None]
    blend(skin, np.asarray(colour * rng.uniform(0.6, 1.2), np.float32), np.asarray(inside, np.float32))
    if rng.random() < 0.6:
        wet(rng, skin, u, v, np.asarray(inside, np.float32))


def sheen(rng: Rng, skin: Field) -> None:
    """Light that mirrors from oily or moist skin, a little broken up by its pores, added to `skin` (H, W, 3)."""
    height, width = skin.shape[:2]
    lit = edge(fractal(rng, height, width, rng.uniform(1.5, 5), 3) - rng.uniform(0.1, 0.6), rng.uniform(0.6, 1.6))
    pores = 1.0 + rng.uniform(0.0, 0.5) * fractal(rng, height, width, rng.uniform(25, 70), 2)
    light = lit * pores * rng.uniform(0.05, 0.4)
    skin += light[..., None] * np.array([1.0, rng.uniform(0.8, 1.0), rng.uniform(0.7, 1.0)], np.float32)


def fingertip(rng: Rng, skin: Field, u: Field, v: Field, tip: tuple[float, float]) -> None:
    """A finger that reaches from outside the frame to `tip`, painted into `skin`, sometimes with its nail."""
    turn = np.arctan2(tip[1], tip[0]) + rng.normal(0, 0.5)
    along = (u - tip[0]) * np.cos(turn) + (v - tip[1]) * np.sin(turn)
    across = (v - tip[1]) * np.cos(turn) - (u - tip[0]) * np.sin(turn)
    half = rng.uniform(0.6, 1.5)
    inward = np.minimum(along - half, 0.0)
    r = np.hypot(np.where(along < half, inward, 0.0), across) / half
    mask = 1 - edge(r - 1.0, 0.12)
    tone = np.median(skin[::8, ::8].reshape(-1, 3), axis=0) * rng.uniform(0.8, 1.5)
    shade = np.clip(1.1 - rng.uniform(0.2, 0.6) * r * r, 0.1, 1.3) * (
        1 + 0.08 * fractal(rng, u.shape[0], u.shape[1], 30, 2)
    )
    skin *= (1 - 0.5 * np.exp(-np.maximum(r - 1, 0) / 0.15))[..., None]  # it casts a shadow
    blend(skin, np.asarray(tone * shade[..., None], np.float32), np.asarray(mask, np.float32))
    if rng.random() < 0.5:
        nail = np.hypot((along - half) / (0.75 * half), across / (0.6 * half))
        rose = np.clip(tone * np.array([1.15, 1.0, 0.95]) + rng.uniform(0, 0.25), 0, 1)
        blend(skin, rose, np.asarray(0.9 * (1 - edge(nail - 1.0, 0.1)), np.float32))
