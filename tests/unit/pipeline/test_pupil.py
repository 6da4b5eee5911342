"""Which maps of a pupil are believed, and which disc stands for one."""

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.geometry import Circle
from orchestrator.pipeline.pupil import fit_pupil

SIDE, MIDDLE, RADIUS = 256, 128.0, 64.0
IRIS = Circle(MIDDLE, MIDDLE, RADIUS, 1.0, 1.0)
YS, XS = np.mgrid[0:SIDE, 0:SIDE]


def _disc(x: float, y: float, radius: float) -> NDArray[np.bool_]:
    return np.asarray(np.hypot(XS - x, YS - y) <= radius, bool)


def _map(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 1.5), np.float32)


def test_a_round_pupil_is_placed_to_a_fraction_of_a_pixel() -> None:
    """It need not lie in the middle of its iris."""
    pupil = fit_pupil(_map(_disc(124.5, 131.0, 22.0)), _disc(MIDDLE, MIDDLE, RADIUS), IRIS)
    assert pupil
    assert np.hypot(pupil.x - 124.5, pupil.y - 131.0) < 0.5 and abs(pupil.radius - 22.0) < 1.0


def test_a_pupil_half_of_which_is_reflected_is_completed() -> None:
    """A window hides the upper half: the lower one is enough to know the disc."""
    window = (YS < 124) & (np.abs(XS - 128) < 40)
    clear = _disc(MIDDLE, MIDDLE, RADIUS) & ~window
    pupil = fit_pupil(_map(_disc(128, 128, 24) & ~window), clear, IRIS)
    assert pupil
    assert np.hypot(pupil.x - 128, pupil.y - 128) < 3 and abs(pupil.radius - 24) < 3


def test_dark_parts_of_a_dark_iris_are_no_pupil() -> None:
    """What the network marks in an iris that is nearly black: its shaded half, all of it, a sickle beside the lid."""
    iris = _disc(MIDDLE, MIDDLE, RADIUS)
    shaded_half, sickle = iris & (YS < 128), iris & ~_disc(MIDDLE, MIDDLE + 24, RADIUS)
    for dark in (shaded_half, iris, sickle):
        assert fit_pupil(_map(dark), iris, IRIS) is None


def test_a_disc_that_is_nearly_all_reflection_is_not_trusted() -> None:
    """A tenth of it fits, which any tenth of a dark iris would."""
    iris = _disc(MIDDLE, MIDDLE, RADIUS)
    window = iris & (XS > 104)
    dark = iris & ~window & _disc(128, 128, 32)
    assert fit_pupil(_map(dark), iris & ~window, IRIS) is None


def test_an_empty_map_has_no_pupil() -> None:
    """Nothing is tried on it."""
    assert fit_pupil(np.zeros((SIDE, SIDE), np.float32), _disc(MIDDLE, MIDDLE, RADIUS), IRIS) is None
