"""Eyes as people take them with a phone in a kitchen: mostly dark, dim, looking aside, with a lid pulled or low."""

from dataclasses import replace

import numpy as np

from export.drawing import blemishes, hair, light, surroundings
from export.drawing.camera import Camera, random_camera
from export.drawing.eyeball import lid_shadow, sclera
from export.drawing.fields import Field, Rng, blend, edge, soften
from export.drawing.iris import Iris, draw_iris
from export.drawing.lids import Lids
from export.drawing.scene import Position, Scene, lid_opening
from export.drawing.skin import draw_skin

LEAST_VISIBLE = 0.35  # of the iris
TRIES = 8
EYEBALL = (2.0, 3.2)  # radius: how fast an iris that turns away gets narrow
LAMPS = np.array([[1.0, 0.80, 0.55], [1.0, 0.66, 0.36], [0.75, 0.88, 1.0], [0.80, 0.62, 0.95], [1.0, 0.82, 0.80]])


def phone_scene(rng: Rng, u: Field, v: Field, radius: float, shut: bool) -> Scene:
    """An eye whose iris has the radius 1 in `u`, `v`, and `radius` in pixels. The order of the draws is the picture."""
    pulled = float(rng.uniform(0.15, 0.9)) if rng.random() < 0.25 and not shut else 0.0
    at, gaze = _position(rng, u, v, shut, pulled > 0)
    opening = np.zeros_like(u) if shut else lid_opening(at, 1.2 / radius)
    iris_u, iris_v = _turned_away(rng, u, v, gaze)
    iris = blemishes.age(rng, draw_iris(rng, iris_u, iris_v, radius), iris_u, iris_v)
    if rng.random() < 0.35:
        iris = replace(iris, disc=soften(iris.disc, radius * rng.uniform(0.01, 0.07)))
    eyeball = _eyeball(rng, at, iris, radius)
    outer = replace(at.lids, lower=at.lids.lower + pulled)
    skin = _skin(rng, at, outer, radius, pulled)
    lashes = hair.lashes(rng, at.lid_u, at.lid_v, outer, radius)
    shadow = np.roll(soften(lashes, radius * 0.05), int(radius * 0.1), axis=0)
    eyeball *= (1.0 - rng.uniform(0, 0.5) * shadow)[..., None]
    brow = hair.brow(rng, at.lid_u, at.lid_v, at.lids, radius) if rng.random() < 0.6 else np.zeros_like(u)
    reflections = light.reflections(rng, u, v)
    if rng.random() < 0.4:
        reflections = np.maximum(reflections, light.room(rng, u, v))
    return Scene(
        position=at,
        iris=iris,
        eyeball=eyeball,
        opening=opening,
        skin=skin,
        hair=np.maximum(lashes, brow),
        hair_colour=hair.HAIR[rng.choice(len(hair.HAIR), p=[0.6, 0.3, 0.08, 0.02])],
        reflections=reflections,
        lamplight=_lamplight(rng, *u.shape),
        rim_seed=int(rng.integers(2**31)),
        glasses_seed=int(rng.integers(2**31)) if rng.random() < 0.08 else 0,
        camera=_camera(rng, radius),
    )


def _position(rng: Rng, u: Field, v: Field, shut: bool, pulled: bool) -> tuple[Position, tuple[float, float]]:
    """Lids and gaze, with enough of the iris between the lids; the gaze is in iris radii from the lids' middle."""
    for _ in range(TRIES):
        gaze = _gaze(rng)
        lids = _lids(rng, shut, pulled, gaze)
        limit = lids.half_width - 0.45
        gaze = float(np.clip(gaze[0], -limit, limit)), gaze[1]
        if shut or _visible(lids, gaze) > LEAST_VISIBLE:
            break
    lid_u, lid_v = u + np.float32(gaze[0]), v + np.float32(gaze[1])
    top, bottom = lids.curves(lid_u)
    return Position(u, v, lids, lid_u, lid_v, top, bottom, 1.0), gaze


def _gaze(rng: Rng) -> tuple[float, float]:
    """Straight on, aside up to the corner, up, up and aside, or down."""
    side, sign = rng.uniform(0.5, 2.3), rng.choice([-1.0, 1.0])
    x, y = [
        rng.normal(0, [0.25, 0.12]),
        np.array([sign * side, rng.normal(0, 0.2)]),
        np.array([rng.normal(0, 0.5), rng.uniform(-1.1, -0.35)]),
        np.array([sign * side, rng.uniform(-1.0, -0.2)]),
        np.array([rng.normal(0, 0.5), rng.uniform(0.2, 0.7)]),
    ][rng.choice(5, p=[0.32, 0.30, 0.20, 0.12, 0.06])]
    return float(x), float(y)


def _lids(rng: Rng, shut: bool, pulled: bool, gaze: tuple[float, float]) -> Lids:
    """The upper lid follows the gaze; the lower one is where a finger pulls it."""
    upper = float(np.clip(rng.normal(0.75, 0.25) - min(gaze[1], 0.0) - 0.5 * max(gaze[1], 0.0), 0.15, 2.0))
    lower = float(rng.uniform(0.9, 2.2) if pulled else np.clip(rng.normal(0.8, 0.25), 0.3, 1.6))
    if shut:
        droop = rng.uniform(0.3, 1.0)
        upper, lower = -droop, droop + rng.uniform(0.0, 0.02)
    return Lids(
        half_width=float(rng.uniform(1.8, 3.1)),
        upper=upper,
        lower=lower,
        peak=float(rng.uniform(-0.5, 0.5)),
        power=float(rng.uniform(1.5, 3.2)),
        slope=float(rng.normal(0.0, 0.14)),
        lower_peak=float(rng.uniform(-0.4, 0.4)),
        lower_power=float(rng.uniform(0.45, 0.9)),
    )


def _visible(lids: Lids, gaze: tuple[float, float]) -> float:
    """The share of the iris that the lids leave open."""
    span = np.linspace(-1, 1, 25, dtype=np.float32)
    x, y = (grid + offset for grid, offset in zip(np.meshgrid(span, span), gaze, strict=True))
    top, bottom = lids.curves(x)
    disc = np.hypot(x - gaze[0], y - gaze[1]) < 1
    return float(((y > top) & (y < bottom) & (np.abs(x) < lids.half_width) & disc).sum() / disc.sum())


def _turned_away(rng: Rng, u: Field, v: Field, gaze: tuple[float, float]) -> tuple[Field, Field]:
    """Coordinates in which an iris that looks aside, a narrow ellipse in the picture, is round."""
    off = float(np.hypot(*gaze))
    narrow = float(np.sqrt(max(1.0 - (off / rng.uniform(*EYEBALL)) ** 2, 0.42)))
    x, y = gaze[0] / max(off, 1e-6), gaze[1] / max(off, 1e-6)
    along = (u * x + v * y) * (1.0 / narrow - 1.0)
    return np.asarray(u + along * x, np.float32), np.asarray(v + along * y, np.float32)


def _eyeball(rng: Rng, at: Position, iris: Iris, radius: float) -> Field:
    ball = sclera(rng, at.lid_u, at.lid_v, at.lids, radius)
    blemishes.stain(rng, ball, at.u, at.v)
    if rng.random() < 0.4:
        blemishes.wet(rng, ball, at.u, at.v)
    blend(ball, iris.colour, iris.disc)
    blend(ball, np.array([1.0, 0.9, 0.85]) * rng.uniform(0, 0.07), iris.pupil)
    shade = lid_shadow(rng, at.lid_v, at.top, *at.u.shape)
    corners = np.clip(np.abs(at.lid_u) / at.lids.half_width, 0, 1.2)
    ball *= (shade * (1 - rng.uniform(0, 0.9) * corners ** rng.uniform(0.7, 4)))[..., None]
    if rng.random() < 0.3:  # one side in the dark: there a limbus ends in a sclera as dark as itself
        side = rng.choice([-1.0, 1.0]) * at.u
        ball *= (1 - rng.uniform(0.4, 0.95) * edge(side - rng.uniform(0.3, 1.3), rng.uniform(0.4, 1.5)))[..., None]
    return ball


def _skin(rng: Rng, at: Position, outer: Lids, radius: float, pulled: float) -> Field:
    top, bottom = outer.curves(at.lid_u)
    skin = draw_skin(rng, at.lid_u, at.lid_v, outer, top, bottom, radius)
    tone = np.array([1.0, rng.uniform(0.8, 1.05), rng.uniform(0.7, 1.05)], np.float32)
    skin *= tone * (rng.uniform(0.45, 1.0) if rng.random() < 0.4 else 1.0)
    skin *= surroundings.relief(rng, at.lid_u, at.lid_v, at.lids)[..., None]
    if rng.random() < 0.6:
        lines = surroundings.wrinkles(rng, at.lid_u, at.lid_v, at.lids, radius)
        skin *= 1.0 - rng.uniform(0.1, 0.7) * lines[..., None]
    ring = np.exp(-np.maximum(np.maximum(top - at.lid_v, at.lid_v - bottom), 0) / rng.uniform(0.2, 1.0))
    skin *= (1 - rng.uniform(0, 0.9) * ring)[..., None]  # dark lids
    if rng.random() < 0.5:
        blemishes.sheen(rng, skin)
    if rng.random() < 0.25:
        surroundings.beyond(rng, skin, at.lid_u, at.lid_v, at.lids)
    for _ in range(int(rng.integers(1, 3)) if rng.random() < (0.7 if pulled else 0.06) else 0):
        below = rng.random() < 0.75
        place = outer.lower + rng.uniform(1.2, 3.0) if below else -outer.upper - rng.uniform(1.2, 2.5)
        blemishes.fingertip(rng, skin, at.lid_u, at.lid_v, (float(rng.normal(0, 1.5)), float(place)))
    if pulled:
        blemishes.everted(rng, skin, at.lid_u, at.lid_v, at.lids, at.bottom, pulled)
    return np.asarray(skin, np.float32)


def _lamplight(rng: Rng, height: int, width: int) -> Field:
    """(H, W, 3): a lamp of one colour, often from one side."""
    lit = light.lamp(rng, height, width)
    if rng.random() < 0.35:
        ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
        turn, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0.5, 2.0)
        across = (xs / width - 0.5) * np.cos(turn) + (ys / height - 0.5) * np.sin(turn)
        lit = lit * (1 - rng.uniform(0.2, 0.75) * edge(across - rng.normal(0.1, 0.25), reach))
    colour = LAMPS[rng.integers(len(LAMPS))] if rng.random() < 0.5 else np.ones(3)
    colour = 1 + (colour - 1) * rng.uniform(0.2, 1.1)
    return np.asarray(lit[..., None] * colour, np.float32)


def _camera(rng: Rng, radius: float) -> Camera:
    """Often too dark, and then with noise."""
    camera = random_camera(rng, radius)
    camera = replace(camera, grey=False, noise=camera.noise * 0.7)
    if rng.random() > 0.3:
        return camera
    return replace(camera, gain=float(rng.uniform(0.3, 0.8)), noise=camera.noise + float(rng.gamma(1.0, 0.006)))
