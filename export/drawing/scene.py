"""One eye in front of a camera: its parts put together, and photographed with its reflections or without."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.drawing import hair, light, surroundings
from export.drawing.camera import Camera, random_camera, take
from export.drawing.eyeball import lid_margin, lid_shadow, sclera
from export.drawing.fields import Field, Rng, blend, edge, soften
from export.drawing.iris import Iris, draw_iris
from export.drawing.lids import Lids, random_lids
from export.drawing.skin import draw_skin

GAZE = 0.35  # how far the iris may look up or down, in iris radii
MILD_LIDS = Lids(half_width=2.5, upper=0.93, lower=0.98, peak=0.06, power=2.3, slope=0.03)
RED_EYE = (0.55, 0.06, 0.03)


@dataclass(frozen=True)
class Position:
    """Where the parts of an eye are, in iris radii from the centre of the iris (`u`, `v`) and of the lids.

    `top` and `bottom` are the lids' `lid_v` at each pixel. All fields are (H, W).
    """

    u: Field
    v: Field
    lids: Lids
    lid_u: Field
    lid_v: Field
    top: Field
    bottom: Field
    foreshortening: float


@dataclass(frozen=True)
class Scene:
    """What a camera sees of an eye; (H, W, 3) colours are 0–1 sRGB, (H, W) opacities 0–1.

    `eyeball` has no reflections yet; `reflections` is the light (H, W, 3) that they add. The rim of the lids and
    glasses are drawn from seeds of their own, so that both photos of a scene show the same ones; 0 is no glasses.
    """

    position: Position
    iris: Iris
    eyeball: Field
    opening: Field
    skin: Field
    hair: Field
    hair_colour: Field
    reflections: Field
    lamplight: Field
    rim_seed: int
    glasses_seed: int
    camera: Camera


def random_scene(rng: Rng, u: Field, v: Field, radius: float, shut: bool, mild: bool, mild_lids: Lids) -> Scene:
    """An eye whose iris has the radius 1 in `u`, `v`, and `radius` in pixels. The order of the draws is the picture."""
    position = _position(rng, u, v, shut, mild_lids if mild else None)
    opening = np.zeros_like(u) if shut else lid_opening(position, 1.2 / radius)
    drawn_iris = draw_iris(rng, u / np.float32(position.foreshortening), v, radius)
    eyeball = _eyeball(rng, position, drawn_iris, radius, mild)
    skin = draw_skin(rng, position.lid_u, position.lid_v, position.lids, position.top, position.bottom, radius)
    lashes = hair.lashes(rng, position.lid_u, position.lid_v, position.lids, radius)
    brow = np.zeros_like(u)
    if rng.random() < 0.75:
        brow = hair.brow(rng, position.lid_u, position.lid_v, position.lids, radius)
    if not mild:
        _surround(rng, skin, position, radius)
    hair_colour = hair.HAIR[rng.choice(len(hair.HAIR), p=[0.48, 0.34, 0.14, 0.04])]
    reflections = light.reflections(rng, u, v)
    shadow = np.roll(soften(lashes, radius * 0.04), int(radius * 0.1), axis=0)
    eyeball *= (1.0 - rng.uniform(0, 0.35) * shadow)[..., None]
    lamplight = light.lamp(rng, *u.shape)
    lamplight = lamplight[..., None] if mild else light.coloured(rng, lamplight)
    rim_seed = int(rng.integers(2**31))
    glasses_seed = int(rng.integers(2**31)) if rng.random() < 0.1 * (not mild) else 0
    shot = random_camera(rng, radius, mild)
    if rng.random() < 0.06 and not mild:
        np.maximum(brow, hair.strands(rng, u, v, radius), out=brow)
    return Scene(
        position=position,
        iris=drawn_iris,
        eyeball=eyeball,
        opening=opening,
        skin=skin,
        hair=np.maximum(lashes, brow),
        hair_colour=hair_colour,
        reflections=reflections,
        lamplight=lamplight,
        rim_seed=rim_seed,
        glasses_seed=glasses_seed,
        camera=shot,
    )


def photograph(scene: Scene, eyeball: Field) -> NDArray[np.uint8]:
    """The scene with `eyeball` (H, W, 3) in its lid opening, as its camera takes it; (H, W, 3) uint8."""
    at = scene.position
    picture = scene.skin.copy()
    blend(picture, eyeball, scene.opening)
    rng = np.random.default_rng(scene.rim_seed)
    lid_margin(rng, picture, at.lid_u, at.lid_v, at.lids, at.top, at.bottom)
    blend(picture, scene.hair_colour, np.asarray(0.9 * scene.hair, np.float32))
    if scene.glasses_seed:
        surroundings.glasses(np.random.default_rng(scene.glasses_seed), picture, at.u, at.v)
    return take(picture * scene.lamplight, scene.camera)


def with_reflections(scene: Scene) -> Field:
    """The eyeball (H, W, 3) with the light of its reflections added, never above 1."""
    return np.asarray(1.0 - (1.0 - scene.eyeball) * (1.0 - scene.reflections), np.float32)


def _position(rng: Rng, u: Field, v: Field, shut: bool, mild_lids: Lids | None) -> Position:
    """Lids and gaze: the iris stays at the origin, so a gaze moves the lids."""
    lids = random_lids(rng, shut)
    gaze = rng.normal(0, [0.28, 0.10]) if rng.random() < 0.65 else rng.normal(0, [0.7, 0.2])
    gaze = np.clip(gaze, [-lids.half_width + 1.0, -GAZE], [lids.half_width - 1.0, GAZE])
    if mild_lids:
        gaze, lids = gaze * 0.2, mild_lids
    lid_u, lid_v = u + np.float32(gaze[0]), v + np.float32(gaze[1])
    top, bottom = lids.curves(lid_u)
    foreshortening = float(np.sqrt(max(1.0 - (gaze[0] / 3.2) ** 2, 0.5)))
    return Position(u, v, lids, lid_u, lid_v, top, bottom, foreshortening)


def lid_opening(at: Position, pixel: float) -> Field:
    """(H, W) opacity of the eyeball between the lids; `pixel` is the softness of an edge, in iris radii."""
    between = edge(np.minimum(at.lid_v - at.top, at.bottom - at.lid_v), 0.03 + pixel)
    between *= edge(at.lids.half_width - np.abs(at.lid_u), pixel)
    return between


def _eyeball(rng: Rng, at: Position, drawn_iris: Iris, radius: float, mild: bool) -> Field:
    """(H, W, 3) sclera with the iris and its pupil, in the shadow of the upper lid."""
    ball = sclera(rng, at.lid_u, at.lid_v, at.lids, radius)
    blend(ball, drawn_iris.colour, drawn_iris.disc)
    pupil_colour = np.array(RED_EYE) if rng.random() < 0.04 and not mild else np.full(3, rng.uniform(0, 0.06))
    blend(ball, pupil_colour, drawn_iris.pupil)
    ball *= lid_shadow(rng, at.lid_v, at.top, *at.u.shape)[..., None]
    return ball


def _surround(rng: Rng, skin: Field, at: Position, radius: float) -> None:
    """The form of the face, its lines and its end, painted into `skin` (H, W, 3)."""
    skin *= surroundings.relief(rng, at.lid_u, at.lid_v, at.lids)[..., None]
    if rng.random() < 0.4:
        lines = surroundings.wrinkles(rng, at.lid_u, at.lid_v, at.lids, radius)
        skin *= 1.0 - rng.uniform(0.1, 0.6) * lines[..., None]
    if rng.random() < 0.35:
        surroundings.beyond(rng, skin, at.lid_u, at.lid_v, at.lids)
