"""Outlines of irises whose true curves are known: fitted to the network's kind of map, and drawn."""

import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.pipeline.crop import crop_iris
from orchestrator.pipeline.geometry import Square
from orchestrator.pipeline.outline import Outline
from orchestrator.pipeline.outline_fit import fit_outline, outlines_on_photo, trace
from orchestrator.pipeline.pixels import Pixels
from tests.disc_masks import circle_at, disc_masks, round_outline

SIDE, RADIUS = 256, 70.0
CIRCLE = circle_at(128.0, 128.0, RADIUS)
NO_EDGE = (-1000.0, -1000.0, 1000.0, 1000.0)
Distances = NDArray[np.float64]


def soft_map(*outside: Distances) -> NDArray[np.float32]:
    """The map of what is inside of all; `outside` in pixels, with the slope that networks give an edge."""
    return np.asarray(np.clip(0.5 - np.maximum.reduce(outside) / 4, 0, 1), np.float32)


def grid() -> tuple[Distances, Distances]:
    ys, xs = np.mgrid[0:SIDE, 0:SIDE].astype(np.float64)
    return xs - 128, ys - 128


def fitted(disc: NDArray[np.float32]) -> Outline:
    return fit_outline(*trace(disc, CIRCLE), CIRCLE, NO_EDGE, disc.shape)


def grey(height: int, width: int) -> Pixels:
    return np.full((height, width, 3), 128, np.uint8)


def worst_share(outline: Outline, *outside: Distances) -> float:
    """The largest distance of the outline from the true curves, in radii; `outside` at the outline's points."""
    return float(np.abs(np.maximum.reduce(outside)).max() / RADIUS)


def test_limbus_and_lid_are_found_through_wobble_and_lashes() -> None:
    x, y = grid()
    wobble = 0.8 * np.sin(9 * np.arctan2(y, x)) + 0.5 * np.cos(23 * np.arctan2(y, x))
    lashes = 3 - np.abs((x + 8) % 32 - 16) - np.maximum(y + 25, 0)
    lid = -30 + 0.002 * x * x - y
    disc = soft_map(np.hypot(x, y) - RADIUS + wobble, lid + wobble, lashes)
    points = fitted(disc).points - 128
    limbus_there = np.hypot(*points.T) - RADIUS
    lid_there = -30 + 0.002 * points[:, 0] ** 2 - points[:, 1]
    near_corner = (np.abs(limbus_there) < 3) & (np.abs(lid_there) < 3)
    worst = np.abs(np.maximum(limbus_there, lid_there))[~near_corner].max()
    assert worst < 0.012 * RADIUS, "the network's wobble was 1.9 % of the radius, its lashes 30 %"


def test_a_spill_over_the_limbus_is_cut_and_an_oval_kept() -> None:
    x, y = grid()
    oval = np.hypot(x / 0.95, y) - RADIUS
    spill = np.maximum(np.abs(y) - 9, x - 80)
    disc = soft_map(np.minimum(oval, np.maximum(spill, -x)))
    points = fitted(disc).points - 128
    assert worst_share(Outline(points), np.hypot(points[:, 0] / 0.95, points[:, 1]) - RADIUS) < 0.01


def test_two_lids_that_meet_in_a_corner_are_both_found() -> None:
    x, y = grid()
    upper, lower = -y - 0.6 * (x + 70), y - 0.4 * (x + 70)
    points = fitted(soft_map(np.hypot(x, y) - RADIUS, upper, lower)).points - 128
    px, py = points.T
    true = np.maximum.reduce([np.hypot(px, py) - RADIUS, -py - 0.6 * (px + 70), py - 0.4 * (px + 70)])
    assert np.quantile(np.abs(true), 0.95) < 0.015 * RADIUS


def test_a_lid_that_is_no_parabola_has_no_corner() -> None:
    """Flat over the middle, steep towards one side, as upper lids are."""

    def lid(x: Distances) -> Distances:
        return -55 + np.where(x > 0, 38 * np.clip(x / 62, 0, 1) ** 3, 6 * (x / 62) ** 2)

    x, y = grid()
    points = fitted(soft_map(np.hypot(x, y) - RADIUS, lid(x) - y)).points - 128
    px, py = points.T
    limbus_there, lid_there = np.hypot(px, py) - RADIUS, lid(px) - py
    assert worst_share(Outline(points), limbus_there, lid_there) < 0.08
    step = np.diff(points, axis=0, append=points[:1])
    heading = np.arctan2(step[:, 1], step[:, 0])
    turn = np.abs((heading - np.roll(heading, 1) + np.pi) % (2 * np.pi) - np.pi)
    assert np.rad2deg(turn[limbus_there < -3]).max() < 6, "degrees between neighbouring pieces of half a degree each"


def test_where_curves_explain_nothing_the_map_is_followed() -> None:
    """A five-pointed shape is no iris; its outline is still smooth and the map's own."""
    x, y = grid()
    disc = soft_map(np.hypot(x, y) - RADIUS * (0.8 + 0.2 * np.cos(5 * np.arctan2(y, x))))
    mask = fitted(disc).mask(SIDE, SIDE)
    seen = disc > 0.5
    assert (mask & seen).sum() / (mask | seen).sum() > 0.95


@pytest.mark.parametrize("smoothed", [False, True])
def test_nothing_beyond_the_photo_is_iris(smoothed: bool) -> None:
    """The network sees an iris go on beyond the photo's edge, where there is only padding."""
    x, y = grid()
    points = RADIUS * (1 + 0.3 * np.cos(5 * np.arctan2(y, x))) if smoothed else RADIUS
    outline, _ = outlines_on_photo(soft_map(np.hypot(x, y) - points), CIRCLE, Square(-100, -200, 512), grey(400, 400))
    assert outline.points.min() >= -0.5 - 1e-6 and outline.points.max() <= 399.5 + 1e-6
    mask = outline.mask(400, 400)
    assert mask[0, 100:200].all(), "it reaches to the photo's edge"


def test_the_outline_lies_on_the_photo_where_the_look_saw_it() -> None:
    x, y = grid()
    disc = soft_map(np.hypot(x, y) - RADIUS)
    outline, _ = outlines_on_photo(disc, CIRCLE, Square(300.0, 200.0, 1024.0), grey(1400, 1600))
    middle, radius = outline.points.mean(axis=0), np.hypot(*(outline.points - outline.points.mean(axis=0)).T)
    assert np.allclose(middle, (300 + 128.5 * 4 - 0.5, 200 + 128.5 * 4 - 0.5), atol=0.3)
    assert np.allclose(radius, RADIUS * 4, atol=0.5)


@pytest.mark.parametrize("radius", [8.0, 20.3, 90.7])
def test_masks_are_exact_and_edges_equally_soft(radius: float) -> None:
    outline = round_outline(circle_at(100.2, 99.6, radius))
    ys, xs = np.mgrid[0:200, 0:200]
    distance = np.hypot(xs - 100.2, ys - 99.6)
    wrong = np.count_nonzero(outline.mask(200, 200) != (distance < radius))
    assert wrong < 0.2 * 2 * np.pi * radius, "a fifth of a pixel along the line"
    alpha = outline.alpha(200, 200)
    assert (alpha[distance > radius + 4] == 0).all() and (alpha[distance < radius - 4] == 255).all()
    on_line = np.abs(distance - radius) < 0.25
    assert np.abs(alpha[on_line].astype(float) - 128).max() < 64
    assert np.isclose(alpha.sum() / 255, np.pi * radius**2, rtol=0.08)


def test_the_crop_takes_its_outline_along() -> None:
    masks = disc_masks(400, 150.0)
    photo = np.zeros((400, 400, 3), np.uint8)
    for side in (10_000, 160):
        cropped = crop_iris(photo, masks, side).masks
        scale = cropped.circle.radius / 150
        assert np.isclose(cropped.iris.sum(), np.pi * (150 * scale) ** 2, rtol=0.02)
        assert np.allclose(cropped.clean_outline.points.mean(axis=0), (cropped.circle.x, cropped.circle.y), atol=0.6)
