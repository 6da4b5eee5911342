"""Circles fitted to masks, squares cut out of photos."""

import numpy as np
import pytest

from orchestrator.pipeline.geometry import Square, around, enclosing_square, fit_circle, largest_piece
from tests.disc_masks import circle_at


def disc(x: float, y: float, radius: float, height: int = 300, width: int = 400) -> np.ndarray:
    ys, xs = np.ogrid[0:height, 0:width]
    return np.asarray(np.hypot(xs - x, ys - y) <= radius, bool)


@pytest.mark.parametrize(("above", "below"), [(0.0, 0.0), (0.5, 0.0), (0.4, 0.5), (0.6, 0.3)])
def test_lids_do_not_shrink_the_circle(above: float, below: float) -> None:
    mask = disc(200, 150, 90)
    mask[: int(150 - 90 * (1 - above))] = False
    mask[int(150 + 90 * (1 - below)) :] = False
    circle = fit_circle(mask)
    assert circle is not None
    assert (circle.x, circle.y, circle.radius) == pytest.approx((200, 150, 90), abs=2.5)
    assert circle.mask_share > 0.99


def test_iris_cut_off_by_the_frame() -> None:
    circle = fit_circle(disc(30, 150, 90))
    assert circle is not None
    assert (circle.x, circle.y, circle.radius) == pytest.approx((30, 150, 90), abs=2.5)


def test_a_spill_beside_the_disc_lowers_the_mask_share() -> None:
    mask = disc(150, 150, 60)
    mask[140:160, 200:390] = True
    circle = fit_circle(mask)
    assert circle is not None
    assert circle.radius == pytest.approx(60, abs=3)
    assert circle.mask_share < 0.85


def test_a_bar_is_not_round() -> None:
    mask = np.zeros((300, 400), bool)
    mask[140:160, 20:380] = True
    circle = fit_circle(mask)
    assert circle is None or circle.mask_share < 0.85 or circle.outline_share < 0.3


def test_an_empty_mask_has_no_circle_and_no_piece() -> None:
    assert fit_circle(np.zeros((50, 50), bool)) is None
    assert not largest_piece(np.zeros((50, 50), bool)).any()


def test_largest_piece_has_its_holes_filled() -> None:
    mask = disc(200, 150, 80) & ~disc(200, 150, 20) | disc(20, 20, 10)
    assert (largest_piece(mask) == disc(200, 150, 80)).all()


def test_square_over_the_edge_has_the_mean_colour_there() -> None:
    photo = np.zeros((100, 100, 3), np.uint8)
    photo[:, :25] = 200
    cut = Square(-50, 0, 100).cut(photo, 50)
    assert (cut[:, :20] == 100).all()
    assert (cut[:, 28:36] == 200).all() and (cut[:, 40:] == 0).all()


def test_circles_of_one_iris_and_of_two() -> None:
    circle = circle_at(100, 100, 40)
    assert circle.is_about(circle_at(108, 96, 46))
    assert not circle.is_about(circle_at(150, 100, 40))
    assert not circle.is_about(circle_at(100, 100, 15)), "that is its pupil"


def test_the_square_around_a_circle() -> None:
    assert around(circle_at(100, 80, 20), 2.0) == Square(60, 40, 80)


def test_enclosing_square_is_centred() -> None:
    assert enclosing_square(np.zeros((100, 300, 3), np.uint8)) == Square(0, -100, 300)
