"""How much of the enhancer's detail goes into a result."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from export.drawing import eyes
from orchestrator.pipeline.detail_choice import blockiness, choose, natural, noise
from orchestrator.pipeline.pixels import Mask, Pixels


@pytest.fixture(scope="module")
def eye() -> tuple[Pixels, Mask]:
    """A sharp drawn eye and its iris."""
    drawn = eyes.draw(11, 256, 256, "crop", mild=True)
    return drawn.clean, drawn.iris


def noisy(picture: Pixels, sigma: float) -> Pixels:
    grain = np.random.default_rng(1).normal(0, sigma, picture.shape)
    return np.asarray(np.clip(picture + grain + 0.5, 0, 255), np.uint8)


def as_jpeg(picture: Pixels, quality: int) -> Pixels:
    encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def grey(picture: Pixels) -> NDArray[np.float32]:
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32)


def test_a_clean_photo_gets_all_detail_and_a_noisy_or_blocky_one_less(eye: tuple[Pixels, Mask]) -> None:
    picture, iris = eye
    assert choose(picture, iris) == "crisp"
    assert choose(noisy(picture, 8), iris) == "natural"
    assert choose(as_jpeg(picture, 20), iris) == "natural"
    assert choose(as_jpeg(picture, 95), iris) == "crisp"


def test_noise_is_measured_in_levels_and_fibres_are_none(eye: tuple[Pixels, Mask]) -> None:
    picture, iris = eye
    flat = np.full((64, 64, 3), 120, np.uint8)
    everywhere = np.ones((64, 64), bool)
    assert noise(grey(flat), everywhere) == pytest.approx(0.0, abs=1e-3)
    sigma = float(grey(noisy(flat, 6)).std())
    assert noise(grey(noisy(flat, 6)), everywhere) == pytest.approx(sigma, rel=0.25)
    assert noise(grey(picture), iris) < noise(grey(noisy(picture, 4)), iris)


def test_blocks_are_found_wherever_the_crop_begins(eye: tuple[Pixels, Mask]) -> None:
    picture, iris = eye
    blocky = as_jpeg(picture, 20)
    for x, y in ((0, 0), (3, 0), (5, 6)):
        assert blockiness(grey(blocky[y:, x:]), iris[y:, x:]) > 1.6 > blockiness(grey(picture[y:, x:]), iris[y:, x:])


@pytest.mark.parametrize("side", [1, 5, 9])
def test_a_tiny_iris_and_an_empty_mask_are_taken_for_clean(side: int) -> None:
    picture = np.full((side, side, 3), 90, np.uint8)
    for mask in (np.ones((side, side), bool), np.zeros((side, side), bool)):
        assert choose(picture, mask) == "crisp"


def test_a_natural_result_lies_between_interpolation_and_the_enhancers_picture(eye: tuple[Pixels, Mask]) -> None:
    small = eye[0][96:160, 96:160]
    smooth = cv2.resize(small, None, fx=4, fy=4, interpolation=cv2.INTER_LANCZOS4)
    invented = noisy(np.asarray(smooth, np.uint8), 10)
    mixed = natural(invented, small)
    assert mixed.shape == invented.shape and mixed.dtype == np.uint8
    away = [float(np.abs(grey(picture) - grey(np.asarray(smooth, np.uint8))).mean()) for picture in (mixed, invented)]
    assert 0.3 < away[0] / away[1] < 0.5
