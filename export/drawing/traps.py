"""Pictures without an eye, mostly of round things: cups, moons, lenses, buttons, wheels, icons; or plain textures."""

from collections.abc import Callable

import numpy as np

from export.drawing.fields import Field, Rng, blend, edge
from export.drawing.noise import fractal, smooth
from export.drawing.skin import SKIN


def _surface(rng: Rng, height: int, width: int) -> Field:
    first, second = rng.uniform(0.05, 0.95, (2, 3))
    mix = np.clip(0.5 + 0.5 * fractal(rng, height, width, rng.uniform(1, 8), int(rng.integers(1, 6))), 0, 1)
    colour = first + (second - first) * (mix * rng.uniform(0.1, 1.0))[..., None]
    if rng.random() < 0.3:  # boards or stripes
        ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
        angle = rng.uniform(0, np.pi)
        wave = np.sin((xs * np.cos(angle) + ys * np.sin(angle)) / max(height, width) * rng.uniform(20, 200))
        colour = colour * (1 + rng.uniform(0.05, 0.4) * wave[..., None])
    return np.asarray(colour, np.float32)


def _cup(rng: Rng, u: Field, v: Field, scene: Field) -> None:
    """A cup from above: saucer, rim, dark drink, sometimes foam and a handle."""
    squash = rng.uniform(0.6, 1.0)
    r = np.hypot(u, v / squash)
    china = rng.uniform(0.3, 1.0) * np.array([1, rng.uniform(0.7, 1), rng.uniform(0.6, 1)])
    blend(scene, china * 0.85, 1.0 - edge(r - rng.uniform(1.6, 2.4), 0.04))
    blend(scene, china * 0.6, 1.0 - edge(np.hypot(u + 0.06, v / squash + 0.08) - 1.25, 0.15))
    blend(scene, china, 1.0 - edge(r - 1.12, 0.03))
    drink = np.array([0.25, 0.13, 0.06]) * rng.uniform(0.2, 2.5)
    swirl = 1.0 + 0.4 * fractal(rng, u.shape[0], u.shape[1], cells=4, octaves=4)
    blend(scene, drink * swirl[..., None], 1.0 - edge(r - 1.0, 0.03))
    if rng.random() < 0.4:
        blend(scene, drink * 2 + 0.15, 1.0 - edge(r - rng.uniform(0.3, 0.8) - 0.1 * swirl, 0.1))


def _moon(rng: Rng, u: Field, v: Field, scene: Field) -> None:
    """A cratered disc, or a field of craters."""
    dust = 0.5 + 0.25 * fractal(rng, u.shape[0], u.shape[1], cells=5, octaves=5, gain=0.7)
    for _ in range(int(rng.integers(4, 30))):
        centre, size = rng.uniform(-2.2, 2.2, 2), rng.gamma(1.5, 0.13) + 0.03
        x, y = (u - centre[0]) / size, (v - centre[1]) / size
        r = np.hypot(x, y)
        dust = dust + 0.25 * np.exp(-(((r - 1.0) / 0.2) ** 2)) * (x + y) * 0.7 - 0.15 * (1 - edge(r - 0.9, 0.3))
    colour = dust[..., None] * (np.ones(3) + rng.normal(0, 0.05, 3))
    one_disc = rng.random() < 0.5
    disc = 1.0 - edge(np.hypot(u, v) - rng.uniform(1.0, 2.0), 0.03) if one_disc else np.ones_like(u)
    if one_disc:
        scene *= rng.uniform(0, 0.3)
    blend(scene, np.asarray(colour, np.float32), disc)


def _rings(rng: Rng, u: Field, v: Field, scene: Field) -> None:
    """Lens, wheel, plate, clock or target: rings of plain tones, with spokes or teeth, or a reflection on glass."""
    r = np.hypot(u, v * rng.uniform(0.9, 1.3))
    around = np.arctan2(v, u)
    count = int(rng.integers(2, 8))
    hue = rng.uniform(0.2, 1.0, 3) if rng.random() < 0.6 else np.ones(3)
    for limit in np.sort(rng.uniform(0.15, 1.5, count))[::-1]:
        tone = rng.uniform(0, 1) * (hue if rng.random() < 0.5 else np.ones(3))
        blend(scene, tone, 1.0 - edge(r - limit, rng.uniform(0.01, 0.08)))
    if rng.random() < 0.5:
        teeth = edge(np.cos(around * rng.integers(3, 60)) - rng.uniform(-0.5, 0.9), 0.2)
        inner = rng.uniform(0.2, 0.9)
        band = edge(r - inner, 0.03) * (1 - edge(r - inner - rng.uniform(0.1, 0.6), 0.03))
        blend(scene, rng.uniform(0, 1, 3), np.asarray(teeth * band, np.float32))
    if rng.random() < 0.5:
        spot = np.hypot(u - rng.uniform(-0.5, 0.5), v - rng.uniform(-0.5, 0.5))
        blend(scene, np.ones(3), 1.0 - edge(spot - rng.uniform(0.05, 0.2), 0.1))


def _button(rng: Rng, u: Field, v: Field, scene: Field) -> None:
    """A button or a ball, shaded, with or without holes."""
    r = np.hypot(u, v)
    tone = rng.uniform(0.02, 1.0, 3)
    shade = np.clip(1.0 - 0.35 * (u + v) - 0.3 * r, 0.1, 1.6)
    blend(scene, (tone * shade[..., None]).astype(np.float32), 1.0 - edge(r - 1.0, 0.04))
    if rng.random() < 0.6:
        blend(scene, tone * 0.6, np.exp(-(((r - 0.75) / 0.06) ** 2)).astype(np.float32))
        for k in range(int(rng.choice([2, 4]))):
            angle = k * np.pi / 2 + 0.8
            hole = np.hypot(u - 0.28 * np.cos(angle), v - 0.28 * np.sin(angle))
            blend(scene, tone * 0.1, 1.0 - edge(hole - 0.12, 0.04))


def _skin_or_cloth(rng: Rng, u: Field, v: Field, scene: Field) -> None:
    """Bare skin, fur or cloth without anything on it."""
    tone = SKIN[rng.integers(len(SKIN))]
    shade = 1.0 + 0.2 * fractal(rng, u.shape[0], u.shape[1], cells=2, octaves=6, gain=rng.uniform(0.4, 0.8))
    scene[:] = tone * shade[..., None]


def _blobs(rng: Rng, u: Field, v: Field, scene: Field) -> None:
    """Soft shapes of many colours: leaves, toys, lights out of focus."""
    for _ in range(int(rng.integers(3, 25))):
        field = smooth(rng, u.shape[0], u.shape[1], cells=rng.uniform(1.5, 10))
        blend(scene, rng.uniform(0, 1, 3), edge(field - rng.uniform(0.1, 0.7), rng.uniform(0.03, 0.4)))


def _icon(rng: Rng, u: Field, v: Field, scene: Field) -> None:
    """An eye as a logo or a cartoon has it: flat colours, even outlines, nothing of a photo."""
    scene[:] = np.ones(3) if rng.random() < 0.4 else rng.uniform(0, 1, 3)
    ink = rng.uniform(0, 0.3, 3) if rng.random() < 0.7 else rng.uniform(0, 1, 3)
    half, high, power = rng.uniform(1.2, 2.8), rng.uniform(0.6, 1.5), rng.uniform(1.0, 2.5)
    almond = high * (1 - np.abs(u / half) ** power) - np.abs(v)
    line = rng.uniform(0.03, 0.25)
    blend(scene, ink, edge(almond + line, 0.03))
    blend(scene, np.ones(3) if rng.random() < 0.7 else rng.uniform(0, 1, 3), edge(almond, 0.03))
    r, inside = np.hypot(u, v), edge(almond, 0.03) if rng.random() < 0.7 else np.ones_like(u)
    tone, size = rng.uniform(0, 1, 3), rng.uniform(0.5, 1.0)
    steps = int(rng.integers(1, 4))
    for step in range(steps):  # rings, each a little darker or lighter
        limit = size * (1 - 0.25 * step / steps)
        ring = np.clip(tone * rng.uniform(0.6, 1.4), 0, 1)
        blend(scene, ring, np.asarray((1 - edge(r - limit, 0.03)) * inside, np.float32))
    blend(
        scene,
        ink * rng.uniform(0, 1),
        np.asarray((1 - edge(r - size * rng.uniform(0.3, 0.6), 0.03)) * inside, np.float32),
    )
    spot = np.hypot(u - size * rng.uniform(-0.4, 0.4), v + size * rng.uniform(0.0, 0.4))
    blend(scene, np.ones(3), 1 - edge(spot - rng.uniform(0.0, 0.2), 0.03))
    if rng.random() < 0.4:  # rays for lashes
        rays = edge(np.cos(np.arctan2(v, u) * rng.integers(8, 40)) - 0.6, 0.2) * edge(-almond - line, 0.03)
        blend(scene, ink, np.asarray(rays * edge(rng.uniform(0.2, 0.6) + almond, 0.03) * (v < 0), np.float32))


KINDS: tuple[Callable[[Rng, Field, Field, Field], None], ...] = (
    _cup,
    _moon,
    _rings,
    _button,
    _skin_or_cloth,
    _blobs,
    _icon,
)


def draw_trap(rng: Rng, u: Field, v: Field) -> Field:
    """Draw something that is no eye round the origin of `u`, `v`; returns (H, W, 3) float 0–1."""
    scene = _surface(rng, u.shape[0], u.shape[1])
    KINDS[rng.choice(len(KINDS), p=[0.20, 0.15, 0.23, 0.12, 0.09, 0.11, 0.10])](rng, u, v, scene)
    return scene
