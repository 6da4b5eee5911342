"""Looks at squares and their mean on the grid of one of them."""

import numpy as np
import pytest

from orchestrator.pipeline.geometry import Square
from orchestrator.pipeline.looks import Look, mean_look

SIDE = 64


def disc_look(square: Square, presence: float = 1.0, x: float = 100, y: float = 80, radius: float = 20) -> Look:
    """A look at a disc that lies at (x, y) on the photo."""
    pixel = square.side / SIDE
    ys, xs = (np.mgrid[0:SIDE, 0:SIDE] + 0.5) * pixel
    disc = (np.hypot(square.x + xs - x, square.y + ys - y) < radius).astype(np.float32)
    nothing = np.zeros_like(disc)
    return Look(disc, nothing, 1 - disc, nothing, presence)


def test_looks_at_other_squares_lie_on_one_another_in_the_mean() -> None:
    onto, wider = Square(70, 50, 64), Square(52, 40, 100)
    mean = mean_look([disc_look(onto), disc_look(wider)], [onto, wider], onto)
    truth = disc_look(onto).disc
    assert ((mean.disc > 0.5) != (truth > 0.5)).mean() < 0.02
    assert mean.presence == 1.0


def test_a_look_that_sees_no_eye_hardly_counts() -> None:
    square = Square(70, 50, 64)
    sees, blind = disc_look(square), disc_look(square, presence=0.0, x=80)
    mean = mean_look([sees, blind], [square, square], square)
    assert ((mean.disc > 0.5) == (sees.disc > 0.5)).all()
    assert mean.presence == pytest.approx(0.5)


def test_what_a_look_did_not_cover_counts_as_background() -> None:
    narrow, wide = Square(90, 70, 20), Square(70, 50, 64)
    mean = mean_look([disc_look(narrow), disc_look(wide)], [narrow, wide], wide)
    assert mean.disc[32, 32] == pytest.approx(1, abs=0.01)
    assert mean.disc[32, 15] == pytest.approx(0.5, abs=0.01)
    assert mean.sclera[0, 0] == pytest.approx(0.5, abs=0.01)
