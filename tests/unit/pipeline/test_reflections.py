"""Reflections on irises made of a few lines of numpy: what is filled, what is subtracted, what stays."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from export.drawing import eyes
from orchestrator.pipeline.geometry import fit_circle
from orchestrator.pipeline.reflections import find_reflections, remove_reflections
from orchestrator.pipeline.segment import IrisMasks
from tests.disc_masks import circle_at, disc_masks, round_outline


def test_a_lamp_is_filled_and_the_sky_behind_it_subtracted() -> None:
    """A ring light in one piece with a sky over half the iris: the lamp hides the fibres, the sky does not."""
    ys, xs = np.mgrid[0:400, 0:400].astype(np.float32)
    distance = np.hypot(xs - 200, ys - 200)
    iris, pupil = distance < 150, distance < 50
    photo = np.full((400, 400, 3), 220, np.uint8)
    fibres = 10 * np.sin(24 * np.arctan2(ys - 200, xs - 200))[..., None] + np.array([90, 70, 50])
    photo[iris], photo[pupil] = fibres[iris], (10, 10, 10)
    clean = np.asarray(cv2.GaussianBlur(photo, (0, 0), 3), np.uint8)
    photo = clean.copy()
    sky, lamp = iris & (ys < 210), np.abs(distance - 90) < 12
    photo[sky] += 40
    photo[lamp] = 230
    masks = IrisMasks(
        iris, pupil, sky | (lamp & iris), circle_at(200, 200, 150), 1.0, 1.0, round_outline(circle_at(200, 200, 150))
    )
    cleaned = remove_reflections(photo, masks).photo.astype(int)
    assert np.abs(cleaned[lamp] - clean[lamp]).mean() < 12
    under_sky = (ys < 190) & (distance > 110) & (distance < 138)
    assert np.abs(cleaned[under_sky] - clean[under_sky]).mean() < 5, "the sky's 40 grey levels are subtracted"
    assert np.corrcoef(cleaned[under_sky][:, 0], clean[under_sky][:, 0])[0, 1] > 0.9, "and the fibres are kept"
    limbus = (distance > 142) & iris & sky
    assert np.abs(cleaned[limbus] - clean[limbus]).mean() < 12, "where the sclera shows through it is kept"


def test_the_glow_around_a_lamp_is_removed_from_the_entire_pupil() -> None:
    """The network marks the lamp alone; around it the pupil is lighter than a pupil can be."""
    ys, xs = np.mgrid[0:400, 0:400].astype(np.float32)
    distance, from_lamp = np.hypot(xs - 200, ys - 200), np.hypot(xs - 230, ys - 190)
    iris, pupil, lamp = distance < 150, distance < 80, from_lamp < 10
    photo = np.full((400, 400, 3), 90, np.uint8)
    photo[pupil] = (10 + 60 * np.exp(-((from_lamp / 30) ** 2)))[pupil].astype(np.uint8)[:, None]
    photo[lamp] = 250
    masks = IrisMasks(iris, pupil, lamp, circle_at(200, 200, 150), 1.0, 1.0, round_outline(circle_at(200, 200, 150)))
    cleaned = remove_reflections(photo, masks).photo
    assert photo[(distance < 70) & ~lamp].max() > 60 and cleaned[distance < 70].max() < 25
    untouched = (distance > 90) & (from_lamp > 60)
    assert np.array_equal(cleaned[untouched], photo[untouched])


def test_an_iris_that_is_all_reflection_is_still_filled() -> None:
    """No clear part is left to take colours from."""
    photo = np.random.default_rng(0).integers(150, 250, (200, 200, 3)).astype(np.uint8)
    ys, xs = np.mgrid[0:200, 0:200]
    iris = np.hypot(xs - 100, ys - 100) < 80
    masks = IrisMasks(
        iris, np.zeros_like(iris), iris, circle_at(100, 100, 80), 1.0, 1.0, round_outline(circle_at(100, 100, 80))
    )
    cleaned = remove_reflections(photo, masks)
    assert cleaned.share == 1.0 and np.array_equal(cleaned.photo[~iris], photo[~iris])


def test_pale_fibres_are_no_reflections_and_a_clipped_spot_is() -> None:
    masks = disc_masks(400, 180.0)
    photo = np.full((400, 400, 3), 150, np.uint8)
    photo[:, ::8] = 238  # pale, and well lit
    assert not find_reflections(photo, masks).any()
    photo[200:214, 300:314] = 255
    reflections = find_reflections(photo, masks)
    assert reflections[200:214, 300:314].all() and not reflections[:, :250].any()
    photo[:, ::8] = 255  # overexposed everywhere: filling it would invent an iris
    assert not find_reflections(photo, masks).any()


def test_the_frame_around_a_window_goes_with_it() -> None:
    """The network marks the window alone; its glare reaches further, and would stay as a frame."""
    ys, xs = np.mgrid[0:400, 0:400].astype(np.float32)
    distance = np.hypot(xs - 200, ys - 200)
    iris, pupil = distance < 180, distance < 40
    grain = np.random.default_rng(5).normal(0, 3, (400, 400, 1))
    clean = (np.where(pupil[..., None], 10, 45) + grain * np.ones(3)).clip(0, 255).astype(np.uint8)
    from_window = np.maximum(np.abs(xs - 290), np.abs(ys - 200)) - 25
    photo = (clean + 60 * np.clip(1 - np.maximum(from_window, 0) / 12, 0, 1)[..., None]).astype(np.uint8)
    circle = circle_at(200, 200, 180)
    masks = IrisMasks(iris, pupil, from_window < 0, circle, 1.0, 1.0, round_outline(circle))
    cleaned = remove_reflections(photo, masks).photo
    frame = (from_window > 1) & (from_window < 10)
    assert photo[frame].mean() > 65 and abs(cleaned[frame].mean() - 45) < 8
    filled = from_window < -4
    assert 0.5 < cleaned[filled].astype(float).std() / clean[filled].astype(float).std() < 1.6, "and there is grain"


@pytest.mark.parametrize("seed", [9_870_100, 9_870_101, 9_870_106])
def test_no_cracks_around_the_pupil_and_no_outlines_of_reflections(seed: int) -> None:
    """Hardly anything is sharper, by the Laplacian, than in the eye without its reflections."""
    drawn = eyes.draw(seed, 480, 360, "closeup", mild=True)
    iris = drawn.iris | drawn.pupil
    circle = fit_circle(iris)
    assert circle
    marked = cv2.dilate(drawn.reflection.astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    masks = IrisMasks(iris, drawn.pupil, marked & iris, circle, 1.0, 1.0, round_outline(circle))
    cleaned = remove_reflections(drawn.image, masks).photo
    inside = cv2.erode(iris.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    sharper = _sharpness(cleaned) - _sharpness(drawn.clean)
    assert (sharper[inside] > 25).mean() < 0.0015


def _sharpness(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return np.abs(cv2.Laplacian(grey, cv2.CV_32F))


def test_panes_on_a_dark_iris_leave_no_frames() -> None:
    """Where a pane ends, what is subtracted ends with it; averaged over more, it would leave a dark line there."""
    ys, xs = np.mgrid[0:400, 0:400]
    distance = np.hypot(xs - 200, ys - 200)
    iris, pupil = distance < 180, distance < 50
    noise = np.random.default_rng(0).normal(0, 1.5, (400, 400, 1))
    clean = np.clip(np.where(pupil, 10, 40)[..., None] + noise + np.zeros(3), 0, 255)
    window = (np.abs(xs - 200) < 40) & (ys > 260) & (ys < 350)
    panes = window & (np.abs(xs - 200) > 5)
    photo = np.asarray(clean + 45 * panes[..., None], np.uint8)
    circle = circle_at(200, 200, 180)
    cleaned = remove_reflections(photo, IrisMasks(iris, pupil, window, circle, 1.0, 1.0, round_outline(circle))).photo
    bar = window & (np.abs(xs - 200) < 4) & (ys > 275) & (ys < 335)
    assert np.abs(cleaned[bar].mean() - 40) < 4 and np.abs(cleaned[panes].mean() - 40) < 4
