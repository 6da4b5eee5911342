"""What is shown of an iris ends before its sclera and the pink of its lids, on irises of a few lines of numpy."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.pipeline.geometry import Square
from orchestrator.pipeline.outline import INSET, Outline
from orchestrator.pipeline.outline_fit import outlines_on_photo
from orchestrator.pipeline.pixels import Pixels
from tests.disc_masks import circle_at

SIDE, RADIUS, BAND = 512, 200.0, 0.07
MIDDLE = SIDE / 2 - 0.5
BROWN, GREEN, SCLERA, PINK = (110, 75, 50), (70, 95, 60), (210, 205, 200), (190, 110, 105)
ys, xs = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
DISTANCE = np.hypot(xs - MIDDLE, ys - MIDDLE) / RADIUS


def eye(iris: tuple[int, int, int], blur_px: float, *, limbus: float = 1.0, pink: bool = False) -> Pixels:
    """An iris in its sclera, whose outer tenth is `limbus` times as light, and the wet rim of a lid below it."""
    shade = np.where(DISTANCE > 0.9, limbus, 1.0)[..., None]
    photo = np.where(DISTANCE[..., None] < 1, np.array(iris) * shade, SCLERA).astype(np.uint8)
    if pink:
        photo[ys - MIDDLE > (1 - BAND) * RADIUS] = PINK
    noise = np.random.default_rng(0).normal(0, 2, photo.shape)
    return np.asarray((cv2.GaussianBlur(photo, (0, 0), blur_px) + noise).clip(0, 255), np.uint8)


def outlines(photo: Pixels) -> tuple[Outline, Outline]:
    disc = np.clip(0.5 - (DISTANCE - 1) * RADIUS / 8, 0, 1).astype(np.float32)
    disc = np.asarray(cv2.resize(disc, (256, 256), interpolation=cv2.INTER_AREA), np.float32)
    circle = circle_at((MIDDLE - 0.5) / 2, (MIDDLE - 0.5) / 2, RADIUS / 2)
    return outlines_on_photo(disc, circle, Square(0, 0, SIDE), photo)


def depth(outline: Outline) -> NDArray[np.float64]:
    """How far inside the true limbus each point lies, in radii."""
    return np.asarray(1 - np.hypot(outline.points[:, 0] - MIDDLE, outline.points[:, 1] - MIDDLE) / RADIUS)


@pytest.mark.parametrize(("blur_px", "deepest"), [(5.0, 0.02), (8.0, 0.04)])
def test_a_blurred_sclera_is_left_out_all_round(blur_px: float, deepest: float) -> None:
    iris, picture = outlines(eye(BROWN, blur_px, limbus=0.5))
    assert np.abs(depth(iris)).max() < 0.01
    assert depth(picture).min() > 0.005 and depth(picture).max() < deepest and np.ptp(depth(picture)) < 0.004


@pytest.mark.parametrize("iris", [BROWN, GREEN])
def test_an_edge_without_a_rim_stays_where_it_is(iris: tuple[int, int, int]) -> None:
    whole, picture = outlines(eye(iris, 0.8))
    assert np.abs(whole.points - picture.points).max() < 0.002 * RADIUS


@pytest.mark.parametrize("iris", [BROWN, GREEN])
def test_the_pink_of_a_lid_is_left_out_and_no_more(iris: tuple[int, int, int]) -> None:
    whole, picture = outlines(eye(iris, 1.5, pink=True))
    beyond = np.maximum(picture.points[:, 1] - MIDDLE - (1 - BAND) * RADIUS, 0) / RADIUS
    assert beyond.max() <= INSET, "the picture itself ends as much before its outline"
    above = picture.points[:, 1] < MIDDLE + 0.5 * RADIUS
    assert np.abs(depth(picture)[above]).max() < 0.01
    assert depth(picture).max() < BAND + 0.02 and depth(whole).max() < 0.01
