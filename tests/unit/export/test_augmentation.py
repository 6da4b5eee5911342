"""What changes in a training picture: its labels follow, and a cut leaves enough of the iris."""

import numpy as np
import pytest

from export.drawing import eyes
from export.drawing.textures import draw_texture
from export.training.augmentation import augment, disturb, relight
from export.training.dataset import IRIS, PUPIL, classes, label

SIDE = 96


def _disc(size: int, x: int, y: int) -> tuple[np.ndarray, np.ndarray]:
    """A white disc on black, and its labels."""
    ys, xs = np.mgrid[0:size, 0:size]
    inside = np.hypot(xs - x, ys - y) < 0.15 * size
    image = np.repeat((inside * 255).astype(np.uint8)[..., None], 3, axis=2)
    return image, (inside * IRIS).astype(np.uint8)


@pytest.mark.parametrize("seed", range(40))
def test_labels_follow_the_picture(seed: int) -> None:
    """Turned, flipped, zoomed and shifted alike; where the frame was filled there is no label, whatever fills it."""
    image, labels = _disc(192, 80, 110)
    moved, moved_labels = augment(np.random.default_rng(seed), image, labels, SIDE)
    assert moved.shape == (SIDE, SIDE, 3) and moved_labels.shape == (SIDE, SIDE)
    assert (moved[moved_labels == IRIS] > 100).mean() > 0.9
    assert np.count_nonzero(moved_labels == IRIS) > 0.25 * np.pi * (0.15 * SIDE) ** 2, "enough of the iris is left"


def test_pictures_lie_every_way_and_end_within_the_frame() -> None:
    image, labels = _disc(192, 50, 96)
    directions, uncovered = set(), 0
    for seed in range(80):
        _, moved = augment(np.random.default_rng(seed), image, labels, SIDE)
        ys, xs = np.nonzero(moved == IRIS)
        directions.add((round((xs.mean() - SIDE / 2) / 16), round((ys.mean() - SIDE / 2) / 16)))
        whole = augment(np.random.default_rng(seed), image, np.full_like(labels, IRIS), SIDE)[1]
        uncovered += bool((whole == 0).any())
    assert {(-1, 0), (1, 0), (0, -1), (0, 1)} <= directions, "a photo may lie on its side or upside down"
    assert uncovered > 8, "beyond the edge of a photo nothing is labelled"


@pytest.mark.parametrize("seed", range(8))
def test_light_and_surfaces_leave_a_picture(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = eyes.draw(seed, 128, 128, "phone")
    textures = np.stack([draw_texture(1, 64)])
    changed = disturb(rng, relight(rng, drawn.image), label(drawn), textures)
    assert changed.shape == drawn.image.shape and changed.dtype == np.uint8
    assert (changed != drawn.image).any()


def test_half_of_the_pictures_keep_their_colours() -> None:
    """Casts are common but not the rule: the mean of most pictures stays within a third."""
    image = eyes.draw(3, 96, 96, "crop", mild=True).image
    means = [relight(np.random.default_rng(seed), image).mean() / image.mean() for seed in range(100)]
    assert np.mean(np.abs(np.log(means)) < np.log(1.35)) > 0.5
    assert np.mean(np.abs(np.log(means)) > np.log(1.35)) > 0.1


def test_the_iris_survives_where_the_frame_cuts_it() -> None:
    """Only a cut that leaves half of what was visible is made."""
    drawn = eyes.draw(11, 192, 192, "phone")
    visible = np.isin(classes(label(drawn)), (IRIS, PUPIL)).sum()
    for seed in range(60):
        _, labels = augment(np.random.default_rng(seed), drawn.image, label(drawn), 192)
        assert np.isin(classes(labels), (IRIS, PUPIL)).sum() > 0.2 * visible
