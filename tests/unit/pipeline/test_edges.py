"""How clear an edge a photo has along an outline."""

import numpy as np

from orchestrator.pipeline.edges import Edges
from orchestrator.pipeline.geometry import Square
from orchestrator.pipeline.pixels import Mask, Pixels

SIDE = 256


def disc(x: float, y: float, radius: float) -> Mask:
    ys, xs = np.mgrid[0:SIDE, 0:SIDE]
    return np.asarray(np.hypot(xs - x, ys - y) < radius)


def dark_disc_on(colour: tuple[int, int, int]) -> Pixels:
    noise = np.random.default_rng(3).normal(0, 2, (SIDE, SIDE, 1))
    return (np.where(disc(128, 128, 64)[..., None], (40, 35, 30), colour) + noise).clip(0, 255).astype(np.uint8)


def test_the_true_outline_has_the_clearest_edge() -> None:
    edges = Edges(dark_disc_on((90, 70, 60)), Square(0, 0, SIDE), SIDE)
    true, spilled, shrunk = (edges.along(disc(128, y, r)) for y, r in ((128, 64), (110, 84), (128, 50)))
    assert true > 0.95 and spilled < 0.7 and shrunk < 0.3


def test_one_channel_is_enough_for_an_edge() -> None:
    """A reddish corner of the eye is as light as the iris beside it, and yet another colour."""
    edges = Edges(dark_disc_on((80, 25, 20)), Square(0, 0, SIDE), SIDE)
    assert edges.along(disc(128, 128, 64)) > 0.95


def test_the_edge_of_the_photo_is_none_of_the_iris() -> None:
    photo = dark_disc_on((90, 70, 60))[110:]
    edges = Edges(photo, Square(0, -110, SIDE), SIDE)
    assert not edges.inside[:110].any() and edges.inside[110:].all()
    assert edges.along(disc(128, 128, 64) & edges.inside) > 0.95
    assert edges.along(edges.inside) < 0.1, "the fill beyond the photo is another colour, and yet no edge"


def test_a_speck_has_no_outline() -> None:
    assert Edges(dark_disc_on((90, 70, 60)), Square(0, 0, SIDE), SIDE).along(disc(128, 128, 5)) == 0.0
