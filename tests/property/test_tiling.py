"""Tiling is invisible: a network that repeats pixels returns the enlarged picture unchanged, whatever its size."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.pipeline.pixels import Mask, Pixels
from orchestrator.pipeline.tiling import cut_tile, paste_tile, tiles, with_rim

sizes = st.integers(1, 400)
sides_and_rims = st.integers(24, 130).flatmap(lambda side: st.tuples(st.just(side), st.integers(0, side // 3)))


def random_region(height: int, width: int, seed: int) -> Mask:
    """A few discs."""
    rng, region = np.random.default_rng(seed), np.zeros((height, width), np.uint8)
    for _ in range(rng.integers(0, 4)):
        centre = int(rng.integers(0, width)), int(rng.integers(0, height))
        cv2.circle(region, centre, int(rng.integers(1, 150)), 1, cv2.FILLED)
    return region.view(bool)


def enlarged(picture: Pixels, region: Mask, side: int, rim: int) -> Pixels:
    canvas = np.zeros((picture.shape[0] * 2, picture.shape[1] * 2, 3), np.uint8)
    for tile in tiles(region, side, rim):
        pixels = cut_tile(with_rim(picture, rim), tile, side, rim)
        assert pixels.shape == (side, side, 3)
        paste_tile(canvas, tile, pixels.repeat(2, 0).repeat(2, 1), 2, rim)
    return canvas


@given(sizes, sizes, sides_and_rims, st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_identity_network_leaves_no_seam(height: int, width: int, sizes: tuple[int, int], seed: int) -> None:
    picture = np.random.default_rng(seed).integers(1, 256, (height, width, 3)).astype(np.uint8)
    region = random_region(height, width, seed)
    large, expected = enlarged(picture, region, *sizes), picture.repeat(2, 0).repeat(2, 1)
    needed = region.repeat(2, 0).repeat(2, 1)
    assert (large[needed] == expected[needed]).all()
    assert ((large == expected) | (large == 0)).all(), "what is not needed may stay black"


@given(sizes, sizes, sides_and_rims, st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_every_pixel_sees_what_is_around_it(height: int, width: int, sizes: tuple[int, int], seed: int) -> None:
    """A network that looks as far as the rim gets the same answer as from the whole picture."""
    side, rim = sizes
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    region = random_region(height, width, seed)
    window = 2 * rim + 1

    def farthest(pixels: Pixels) -> Pixels:
        return np.asarray(cv2.dilate(pixels, np.ones((window, window), np.uint8)), np.uint8)

    canvas = np.zeros_like(picture)
    for tile in tiles(region, side, rim):
        paste_tile(canvas, tile, farthest(cut_tile(with_rim(picture, rim), tile, side, rim)), 1, rim)
    expected = farthest(with_rim(picture, rim))[rim : rim + height, rim : rim + width]
    assert (canvas[region] == expected[region]).all()


def test_an_iris_takes_fewer_tiles_than_its_square() -> None:
    ys, xs = np.ogrid[0:1024, 0:1024]
    iris = np.hypot(xs - 511.5, ys - 511.5) < 475
    assert (len(tiles(iris, 256, 14)), len(tiles(np.ones_like(iris), 256, 14))) == (17, 24)


def test_nothing_needed_takes_no_tile() -> None:
    assert tiles(np.zeros((300, 300), bool), 256, 14) == []


def test_a_rim_that_leaves_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no inside"):
        tiles(np.ones((300, 300), bool), 64, 32)
