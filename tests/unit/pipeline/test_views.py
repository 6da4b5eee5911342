"""How the segmenter is shown a square: tones, mirror images and turns, and the way back."""

import numpy as np
import pytest

from orchestrator.pipeline.views import Tones, View, stretch


def dim_and_yellow() -> np.ndarray:
    ramp = np.tile(np.linspace(0, 1, 64), (64, 1))
    return np.stack([20 + 90 * ramp, 15 + 70 * ramp, 5 + 20 * ramp], -1).round().astype(np.uint8)


def test_stretched_tones_have_no_cast_and_use_the_entire_range() -> None:
    stretched = stretch(dim_and_yellow())
    assert stretched.min() == 0 and stretched.max() == 255
    assert np.abs(np.diff(stretched.reshape(-1, 3).mean(0))).max() < 3
    assert stretched.mean() > 140, "the gamma lifts what is in shadow"


def test_lifted_tones_give_the_light_up_and_red_ones_the_colour() -> None:
    plain = dim_and_yellow()
    lifted, red = (View(tones).show(plain) for tones in (Tones.LIFTED, Tones.RED))
    assert (lifted[:, 52:] == 255).all() and lifted.mean() > stretch(plain).mean()
    assert (red == stretch(plain)[..., :1]).all()


def test_a_flat_picture_can_be_stretched() -> None:
    assert stretch(np.full((8, 8, 3), 77, np.uint8)).shape == (8, 8, 3)


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize("flipped", [False, True])
def test_maps_of_the_picture_shown_come_back_as_maps_of_the_square(turn: int, flipped: bool) -> None:
    square = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    view = View(flipped=flipped, turn=turn)
    assert (view.undo(view.show(square).astype(np.float32)) == square).all()


def test_a_turn_is_counter_clockwise() -> None:
    square = np.zeros((16, 16, 3), np.uint8)
    square[:, -1] = 255
    assert (View(turn=1).show(square)[0] == 255).all()
