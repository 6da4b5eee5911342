"""Draws eyes that look photographed, with the truth about every pixel; and pictures without an eye.

Everything comes from one integer seed, so a set of pictures is its command line. Nothing is copied from a photo: the
pictures are free of rights and train and test the networks of this project.

    python -m export eyes --count 48 --out sheet.jpg
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from export.drawing import camera, face, iris, light, surroundings, traps
from export.drawing.noise import Field, Rng, blend, edge

Kind = Literal["closeup", "crop", "far", "shut", "trap"]
KIND_SHARES: dict[Kind, float] = {"closeup": 0.30, "crop": 0.31, "far": 0.12, "shut": 0.11, "trap": 0.16}
VISIBLE = 20  # grey levels


@dataclass(frozen=True)
class Drawn:
    """One drawn picture and its truth.

    `image` and `clean` (the same eye without reflections) are (H, W, 3) uint8 sRGB; `iris` (without its pupil),
    `pupil`, `sclera` and `reflection` are (H, W) bool and cover what is visible; `is_eye` says whether an open human
    eye is in the picture; `centre` (x, y) and `radius` of the whole iris are in pixels. `reflection` is where a channel
    of `image` differs from `clean` by more than VISIBLE.
    """

    image: NDArray[np.uint8]
    clean: NDArray[np.uint8]
    iris: NDArray[np.bool_]
    pupil: NDArray[np.bool_]
    sclera: NDArray[np.bool_]
    reflection: NDArray[np.bool_]
    is_eye: bool
    centre: tuple[float, float]
    radius: float


def draw(seed: int, width: int, height: int, kind: Kind | None = None, mild: bool = False) -> Drawn:
    """Draw picture number `seed` at any size from 32 px; `mild` gives a well lit, sharp one (for showing)."""
    rng = np.random.default_rng(seed)
    chosen: Kind = kind or rng.choice(list(KIND_SHARES), p=list(KIND_SHARES.values()))
    radius, centre = _placement(rng, chosen, width, height)
    tilt = rng.normal(0.0, 0.17)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    dx, dy = (xs - centre[0]) / radius, (ys - centre[1]) / radius
    u = np.asarray(dx * np.cos(tilt) + dy * np.sin(tilt), np.float32)
    v = np.asarray(dy * np.cos(tilt) - dx * np.sin(tilt), np.float32)
    if chosen == "trap":
        return _photograph_trap(rng, u, v, radius)
    return _draw_eye(rng, u, v, centre, radius, shut=chosen == "shut", mild=mild)


def _placement(rng: Rng, kind: Kind, width: int, height: int) -> tuple[float, tuple[float, float]]:
    """The iris radius and centre in pixels."""
    side = min(width, height)
    low, high = {"closeup": (0.09, 0.5), "crop": (0.2, 0.36), "far": (0.035, 0.11), "shut": (0.08, 0.4),
                 "trap": (0.08, 0.5)}[kind]  # fmt: skip
    radius = float(np.exp(rng.uniform(np.log(low), np.log(high)))) * side
    spread = 0.035 if kind == "crop" else 0.13
    x = width * (0.5 + rng.normal(0, spread))
    y = height * (0.5 + rng.normal(0, spread))
    return radius, (float(np.clip(x, 0.1 * width, 0.9 * width)), float(np.clip(y, 0.1 * height, 0.9 * height)))


def _photograph_trap(rng: Rng, u: Field, v: Field, radius: float) -> Drawn:
    scene = traps.draw_trap(rng, u, v) * light.lamp(rng, *u.shape)[..., None]
    image = camera.take(scene, camera.random_camera(rng, radius))
    nothing = np.zeros(u.shape, bool)
    return Drawn(image, image, nothing, nothing, nothing, nothing, False, (0.0, 0.0), 0.0)


def _draw_eye(
    rng: Rng, u: Field, v: Field, centre: tuple[float, float], radius: float, shut: bool, mild: bool
) -> Drawn:
    height, width = u.shape
    lids = face.random_lids(rng, shut)
    gaze = rng.normal(0, [0.28, 0.10]) if rng.random() < 0.65 else rng.normal(0, [0.7, 0.2])
    gaze = np.clip(gaze, [-lids.half_width + 1.0, -0.35], [lids.half_width - 1.0, 0.35])
    if mild:
        gaze, lids = gaze * 0.2, face.Lids(2.5, 0.93, 0.98, 0.06, 2.3, 0.03)
    lid_u, lid_v = u + np.float32(gaze[0]), v + np.float32(gaze[1])  # the iris stays at the origin, the lids move
    top, bottom = lids.curves(lid_u)
    pixel = 1.2 / radius
    opening = edge(np.minimum(lid_v - top, bottom - lid_v), 0.03 + pixel)
    opening *= edge(lids.half_width - np.abs(lid_u), pixel)
    if shut:
        opening = np.zeros_like(opening)
    foreshortening = np.sqrt(max(1.0 - (gaze[0] / 3.2) ** 2, 0.5))
    iris_u = u / np.float32(foreshortening)
    drawn = iris.draw_iris(rng, iris_u, v, radius)

    ball = face.sclera(rng, lid_u, lid_v, lids, radius)
    blend(ball, drawn.colour, drawn.disc)
    hole = np.array([0.55, 0.06, 0.03]) if rng.random() < 0.04 and not mild else np.full(3, rng.uniform(0, 0.06))
    blend(ball, hole, drawn.pupil)
    ball *= face.lid_shadow(rng, lid_v, top, height, width)[..., None]
    skin = face.skin(rng, lid_u, lid_v, lids, top, bottom, radius)
    hair = face.lashes(rng, lid_u, lid_v, lids, radius)
    brow = surroundings.brow(rng, lid_u, lid_v, lids, radius) if rng.random() < 0.75 else np.zeros_like(u)
    if not mild:
        _surround(rng, skin, lid_u, lid_v, lids, radius)
    hair_colour = face.HAIR[rng.choice(len(face.HAIR), p=[0.48, 0.34, 0.14, 0.04])]
    shine = light.reflections(rng, u, v)
    lash_shadow = 1.0 - rng.uniform(0, 0.35) * np.roll(light.soften(hair, radius * 0.04), int(radius * 0.1), axis=0)
    ball *= lash_shadow[..., None]
    lit = light.lamp(rng, height, width)
    lit = lit[..., None] if mild else light.coloured(rng, lit)
    rim_seed, glasses_seed = (
        int(rng.integers(2**31)),
        int(rng.integers(2**31)) if rng.random() < 0.1 * (not mild) else 0,
    )
    shot = camera.random_camera(rng, radius, mild)
    if rng.random() < 0.06 and not mild:
        np.maximum(brow, surroundings.strands(rng, u, v, radius), out=brow)

    def assemble(eyeball: Field) -> NDArray[np.uint8]:
        scene = skin.copy()
        blend(scene, eyeball, opening)
        face.lid_margin(np.random.default_rng(rim_seed), scene, lid_u, lid_v, lids, top, bottom)
        blend(scene, hair_colour, np.asarray(0.9 * np.maximum(hair, brow), np.float32))
        if glasses_seed:
            face.glasses(np.random.default_rng(glasses_seed), scene, u, v)
        return camera.take(scene * lit, shot)

    clean = assemble(ball)
    mirrored = 1.0 - (1.0 - ball) * (1.0 - shine)
    image = assemble(np.asarray(mirrored, np.float32))
    open_ = opening > 0.5
    disc = (drawn.disc > 0.5) & open_
    pupil = (drawn.pupil > 0.5) & disc
    glints = (np.abs(image.astype(np.int16) - clean).max(-1) > VISIBLE) & open_
    is_eye = bool(disc.sum() > 0.15 * np.pi * radius**2) and not shut
    return Drawn(image, clean, disc & ~pupil, pupil, open_ & ~disc, glints, is_eye, centre, radius)


def _surround(rng: Rng, skin: Field, u: Field, v: Field, lids: face.Lids, radius: float) -> None:
    """Form, lines and the end of the face, painted into `skin` (H, W, 3)."""
    skin *= surroundings.relief(rng, u, v, lids)[..., None]
    if rng.random() < 0.4:
        lines = surroundings.wrinkles(rng, u, v, lids, radius)
        skin *= 1.0 - rng.uniform(0.1, 0.6) * lines[..., None]
    if rng.random() < 0.35:
        surroundings.beyond(rng, skin, u, v, lids)


def contact_sheet(first_seed: int, count: int, side_px: int = 192, kind: Kind | None = None) -> NDArray[np.uint8]:
    """Tile `count` pictures, eight a row, each with its truth outlined beneath: green iris, red pupil, blue glints."""
    cells = []
    for seed in range(first_seed, first_seed + count):
        drawn = draw(seed, side_px, side_px, kind)
        truth = drawn.image // 3
        truth[drawn.sclera] += np.array([60, 60, 60], np.uint8)
        truth[drawn.iris] += np.array([0, 150, 0], np.uint8)
        truth[drawn.pupil] += np.array([150, 0, 0], np.uint8)
        truth[drawn.reflection] |= np.array([0, 0, 160], np.uint8)
        cells.append(np.concatenate([drawn.image, truth], axis=0))
    while len(cells) % 8:
        cells.append(np.zeros_like(cells[0]))
    rows = [np.concatenate(cells[i : i + 8], axis=1) for i in range(0, len(cells), 8)]
    return np.concatenate(rows, axis=0)
