"""Draws eyes that look photographed, with the truth about every pixel; and pictures without an eye.

Everything comes from one integer seed, so a command line is all it takes to make a set of pictures again. Nothing is
copied from a photo: the pictures are free of rights, and train and test the networks of this project.

    python -m export eyes --count 48 --out sheet.jpg
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from export.drawing import camera, light, phone, scene, traps
from export.drawing.fields import Field, Rng
from export.drawing.lids import Lids

Kind = Literal["closeup", "crop", "far", "shut", "trap", "phone"]
KIND_SHARES: dict[Kind, float] = {"closeup": 0.30, "crop": 0.31, "far": 0.12, "shut": 0.11, "trap": 0.16}  # the usual
RADII: dict[Kind, tuple[float, float]] = {  # of the iris, in shorter sides of the picture
    "closeup": (0.09, 0.5),
    "crop": (0.2, 0.36),
    "far": (0.035, 0.11),
    "shut": (0.08, 0.4),
    "trap": (0.08, 0.5),
    "phone": (0.06, 0.4),
}
PHONE_SHUT, PHONE_CLOSER, PHONE_CUT = 0.1, 0.5, 0.12  # shares of pictures as phones take them
VISIBLE = 20  # grey levels
LEAST_OPEN = 0.15  # of the iris's area; what shows less is no open eye
SHEET_COLUMNS = 8


@dataclass(frozen=True)
class Drawn:
    """One drawn picture and its truth.

    `image` and `clean` (the same eye without reflections) are (H, W, 3) uint8 sRGB. `iris` (without its pupil),
    `pupil`, `sclera` and `reflection` are (H, W) bool and cover what is visible. `is_eye` says whether an open human
    eye is in the picture. `centre` (x, y) and `radius` of the whole iris, its hidden parts included, are in pixels.
    `reflection` is where a channel of `image` differs from `clean` by more than VISIBLE.
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


def draw(
    seed: int,
    width: int,
    height: int,
    kind: Kind | None = None,
    mild: bool = False,
    mild_lids: Lids = scene.MILD_LIDS,
) -> Drawn:
    """Draw picture number `seed` at any size from 32 px; `mild` gives a well lit, sharp one, as for a demo.

    `mild_lids` are those of a mild one.
    """
    rng = np.random.default_rng(seed)
    chosen: Kind = kind or rng.choice(list(KIND_SHARES), p=list(KIND_SHARES.values()))
    radius, centre = _placement(rng, chosen, width, height)
    tilt = rng.normal(0.0, 0.17)
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    dx, dy = (xs - centre[0]) / radius, (ys - centre[1]) / radius
    u = np.asarray(dx * np.cos(tilt) + dy * np.sin(tilt), np.float32)
    v = np.asarray(dy * np.cos(tilt) - dx * np.sin(tilt), np.float32)
    if chosen == "trap":
        return _draw_trap(rng, u, v, radius)
    if chosen == "phone":
        shut = rng.random() < PHONE_SHUT
        return _photographed(phone.phone_scene(rng, u, v, radius, shut), centre, radius, shut)
    shut = chosen == "shut"
    return _photographed(scene.random_scene(rng, u, v, radius, shut, mild, mild_lids), centre, radius, shut)


def _placement(rng: Rng, kind: Kind, width: int, height: int) -> tuple[float, tuple[float, float]]:
    """The iris radius and centre in pixels."""
    least, largest = RADII[kind]
    radius = float(np.exp(rng.uniform(np.log(least), np.log(largest)))) * min(width, height)
    spread = 0.035 if kind == "crop" else 0.13
    if kind == "phone" and rng.random() < PHONE_CLOSER:  # as a closer look sees it
        radius, spread = float(rng.uniform(0.18, 0.34)) * min(width, height), 0.06
    x = width * (0.5 + rng.normal(0, spread))
    y = height * (0.5 + rng.normal(0, spread))
    if kind == "phone" and rng.random() < PHONE_CUT:  # by the edge of the frame
        away = rng.uniform(-0.1, 0.7) * radius
        x, y = [(away, y), (width - away, y), (x, away), (x, height - away)][rng.integers(4)]
        return radius, (float(x), float(y))
    return radius, (float(np.clip(x, 0.1 * width, 0.9 * width)), float(np.clip(y, 0.1 * height, 0.9 * height)))


def _draw_trap(rng: Rng, u: Field, v: Field, radius: float) -> Drawn:
    surface = traps.draw_trap(rng, u, v) * light.lamp(rng, *u.shape)[..., None]
    image = camera.take(surface, camera.random_camera(rng, radius))
    nothing = np.zeros(u.shape, bool)
    return Drawn(image, image, nothing, nothing, nothing, nothing, False, (0.0, 0.0), 0.0)


def _photographed(drawn: scene.Scene, centre: tuple[float, float], radius: float, shut: bool) -> Drawn:
    clean = scene.photograph(drawn, drawn.eyeball)
    image = scene.photograph(drawn, scene.with_reflections(drawn))
    opening = drawn.opening > 0.5
    disc = (drawn.iris.disc > 0.5) & opening
    pupil = (drawn.iris.pupil > 0.5) & disc
    reflection = (np.abs(image.astype(np.int16) - clean).max(-1) > VISIBLE) & opening
    is_eye = bool(disc.sum() > LEAST_OPEN * np.pi * radius**2) and not shut
    return Drawn(image, clean, disc & ~pupil, pupil, opening & ~disc, reflection, is_eye, centre, radius)


def contact_sheet(first_seed: int, count: int, side_px: int = 192, kind: Kind | None = None) -> NDArray[np.uint8]:
    """Tile `count` pictures, eight a row, each above its truth: iris green, pupil red, reflections blue."""
    cells = [_with_truth(draw(seed, side_px, side_px, kind)) for seed in range(first_seed, first_seed + count)]
    while len(cells) % SHEET_COLUMNS:
        cells.append(np.zeros_like(cells[0]))
    starts = range(0, len(cells), SHEET_COLUMNS)
    return np.concatenate([np.concatenate(cells[i : i + SHEET_COLUMNS], axis=1) for i in starts], axis=0)


def _with_truth(drawn: Drawn) -> NDArray[np.uint8]:
    """The picture with its tinted truth beneath, (2 H, W, 3)."""
    truth = drawn.image // 3
    truth[drawn.sclera] += np.array([60, 60, 60], np.uint8)
    truth[drawn.iris] += np.array([0, 150, 0], np.uint8)
    truth[drawn.pupil] += np.array([150, 0, 0], np.uint8)
    truth[drawn.reflection] |= np.array([0, 0, 160], np.uint8)
    return np.concatenate([drawn.image, truth], axis=0)
