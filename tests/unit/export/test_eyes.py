"""Drawn pictures: the same for the same seed, and with the truth about every pixel."""

import numpy as np
import pytest

from export.drawing import eyes


@pytest.mark.parametrize("kind", [None, "closeup", "crop", "far", "shut", "trap", "phone"])
def test_same_seed_same_picture(kind: eyes.Kind | None) -> None:
    one, two = eyes.draw(5, 160, 120, kind), eyes.draw(5, 160, 120, kind)
    assert (one.image == two.image).all() and (one.iris == two.iris).all()
    assert one.image.shape == (120, 160, 3) and one.image.dtype == np.uint8
    assert (eyes.draw(6, 160, 120, kind).image != one.image).any()


@pytest.mark.parametrize("kind", ["closeup", "phone"])
@pytest.mark.parametrize("seed", range(12))
def test_truth_is_consistent(seed: int, kind: eyes.Kind) -> None:
    drawn = eyes.draw(seed, 200, 200, kind)
    assert not (drawn.iris & drawn.pupil).any() and not (drawn.sclera & (drawn.iris | drawn.pupil)).any()
    ys, xs = np.nonzero(drawn.iris | drawn.pupil)
    distance = np.hypot(xs - drawn.centre[0], ys - drawn.centre[1])
    assert (distance <= drawn.radius * 1.1 + 2).all(), "the visible iris is inside its circle"
    moved = np.abs(drawn.image.astype(int) - drawn.clean).max(-1)
    opening = drawn.iris | drawn.pupil | drawn.sclera
    assert (drawn.reflection == (moved > eyes.VISIBLE) & opening).all(), (
        "all that changes, and only that, is a reflection"
    )


def test_shut_eyes_and_traps_are_no_eyes() -> None:
    for seed in range(10):
        for kind in ("shut", "trap"):
            drawn = eyes.draw(seed, 96, 96, kind)
            assert not drawn.is_eye and not drawn.iris.any()


def test_phones_show_mostly_open_eyes_that_look_anywhere() -> None:
    """Gaze into the corners and up under the lid, irises cut by the frame, and some shut eyes."""
    drawn = [eyes.draw(seed, 96, 96, "phone") for seed in range(80)]
    assert 0.75 < np.mean([one.is_eye for one in drawn]) < 0.97
    whites = [(np.nonzero(one.sclera)[1].mean() - one.centre[0]) / one.radius for one in drawn if one.sclera.any()]
    assert min(whites) < -0.8 and max(whites) > 0.8, "the white lies to either side of an iris in the corner"
    cut = [min(*one.centre, 96 - one.centre[0], 96 - one.centre[1]) < 0.8 * one.radius for one in drawn]
    assert np.mean(cut) > 0.1


def test_all_kinds_are_drawn_and_most_are_eyes() -> None:
    share = np.mean([eyes.draw(seed, 64, 64).is_eye for seed in range(150)])
    assert 0.55 < share < 0.85


def test_contact_sheet_has_the_truth_under_each_picture() -> None:
    assert eyes.contact_sheet(0, 10, 64).shape == (2 * 128, 8 * 64, 3)
