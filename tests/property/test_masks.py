"""Squares: what is cut out and pasted back ends up where it was."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.pipeline.geometry import Square, fit_circle


@given(st.integers(80, 400), st.integers(80, 400), st.floats(-150, 300), st.floats(-150, 300), st.floats(20, 500))
@settings(max_examples=60, deadline=None)
def test_paste_stays_inside_its_square(height: int, width: int, x: float, y: float, side: float) -> None:
    pasted = Square(x, y, side).paste(np.ones((64, 64), np.float32), height, width)
    assert pasted.shape == (height, width)
    rows, columns = np.nonzero(pasted)
    if len(rows):
        assert columns.min() >= np.floor(x) and columns.max() <= np.floor(x) + round(side)
        assert rows.min() >= np.floor(y) and rows.max() <= np.floor(y) + round(side)


@given(st.floats(60, 240), st.floats(60, 240), st.floats(20, 55), st.floats(-20, 20), st.floats(150, 320))
@settings(max_examples=60, deadline=None)
def test_a_disc_survives_cut_and_paste(x: float, y: float, radius: float, shift: float, side: float) -> None:
    ys, xs = np.ogrid[0:300, 0:300]
    disc = np.hypot(xs - x, ys - y) <= radius
    photo = np.repeat((disc * 255).astype(np.uint8)[..., None], 3, axis=2)
    square = Square(x + shift - side / 2, y - side / 2, side)
    pasted = square.paste(square.cut(photo, 256)[..., 0].astype(np.float32) / np.float32(255), 300, 300)
    assert (pasted & disc).sum() / (pasted | disc).sum() > 0.9


@given(st.floats(100, 200), st.floats(100, 200), st.floats(30, 80))
@settings(max_examples=40, deadline=None)
def test_circle_of_a_disc(x: float, y: float, radius: float) -> None:
    ys, xs = np.ogrid[0:300, 0:300]
    circle = fit_circle(np.hypot(xs - x, ys - y) <= radius)
    assert circle is not None
    assert np.allclose((circle.x, circle.y, circle.radius), (x, y, radius), atol=1.5)
