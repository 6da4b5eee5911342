"""Contrast, tiles and the black around the iris, without a network."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.pipeline.enhance import darken_pupil, equalise, on_black, upscale
from orchestrator.pipeline.pixels import Pixels
from tests.conftest import drawn_eye
from tests.disc_masks import disc_masks


class Nearest:
    """A provider whose enhancer repeats pixels, at once, so that the result is known to the pixel."""

    provider, segment_px, tile_px, reach_px, versions = "nearest", 256, 72, 5, dict[str, str]()

    async def upscale(self, tile: Pixels) -> Pixels:
        return tile.repeat(4, 0).repeat(4, 1)


async def test_many_tiles_at_once_do_not_disturb_each_other() -> None:
    picture = np.random.default_rng(4).integers(0, 256, (600, 600, 3)).astype(np.uint8)
    shares: list[float] = []

    async def report(share: float) -> None:
        shares.append(share)

    region = np.ones(picture.shape[:2], bool)
    large = await upscale(picture, region, Nearest(), 16, report)  # type: ignore[arg-type]
    assert (large == picture.repeat(4, 0).repeat(4, 1)).all()
    assert shares == sorted(shares) and shares[-1] == 1.0


@given(st.integers(40, 120), st.floats(0.3, 0.48))
@settings(max_examples=20, deadline=None)
def test_black_outside_the_iris_and_unchanged_inside(side: int, share: float) -> None:
    masks = disc_masks(side, side * share)
    white = np.full((4 * side, 4 * side, 3), 255, np.uint8)
    finished = on_black(white, masks.clean_outline.moved(0, 0, 4), 4 * masks.circle.radius)
    ys, xs = np.ogrid[0 : 4 * side, 0 : 4 * side]
    distance = np.hypot(xs - 2 * side, ys - 2 * side) / 4
    assert (finished[distance > masks.circle.radius + 2] == 0).all()
    assert (finished[distance < masks.circle.radius * 0.85 - 2] == 255).all()


def test_a_glow_in_the_pupil_is_darkened_and_the_iris_unchanged() -> None:
    ys, xs = np.ogrid[0:400, 0:400]
    distance = np.hypot(xs - 200, ys - 200)
    picture = np.random.default_rng(3).integers(60, 190, (400, 400, 3)).astype(np.uint8)  # the iris, full of detail
    pupil = distance < 80
    picture[pupil] = 10
    glow = 40 * np.exp(-(((xs - 170) ** 2 + (ys - 180) ** 2) / 400))
    glowing = np.where(pupil[..., None], picture + glow[..., None], picture).astype(np.uint8)
    darkened = darken_pupil(glowing, pupil, 190.0)
    assert glowing[pupil].max() > 45 and darkened[distance < 70].max() < 18
    assert np.array_equal(darkened[distance > 82], glowing[distance > 82]), "no pixel of the iris changes"
    assert np.array_equal(darken_pupil(glowing, np.zeros_like(pupil), 190.0), glowing)


def test_equalise_keeps_shape_and_dtype() -> None:
    photo = drawn_eye().image
    equalised = equalise(photo)
    assert equalised.shape == photo.shape and equalised.dtype == np.uint8
