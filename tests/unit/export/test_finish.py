"""The figures of a finished picture, on irises made of a few lines of numpy."""

from dataclasses import replace

import numpy as np

from export.evaluation.finish import MAX_WOBBLE, finish_of, summary_of
from orchestrator.pipeline.outline import Outline
from orchestrator.pipeline.pixels import Pixels
from tests.disc_masks import disc_masks

MASKS = disc_masks(400, 150)


def eye(rim: float) -> Pixels:
    """A grey iris whose outer twentieth is lighter by some grey levels, on sclera."""
    ys, xs = np.mgrid[0:400, 0:400]
    distance = np.hypot(xs - 200, ys - 200)
    grey = np.where(distance < 143.5, 80, np.where(distance < 150, 80 + rim, 200))
    grain = np.random.default_rng(1).normal(0, 3, (400, 400))
    return np.repeat((grey + grain).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def test_a_light_rim_is_told_from_a_clean_one() -> None:
    clean, rimmed = finish_of(eye(0), MASKS), finish_of(eye(30), MASKS)
    assert not clean.has_light_rim and rimmed.has_light_rim and rimmed.rims[0] > 15


def test_an_iris_that_becomes_lighter_outwards_has_no_rim() -> None:
    ys, xs = np.mgrid[0:400, 0:400]
    light = (np.hypot(xs - 200, ys - 200) * 1.2).clip(0, 255).astype(np.uint8)
    figures = finish_of(np.repeat(light[..., None], 3, axis=2), MASKS)
    assert figures.rims[0] > 2 and not figures.has_light_rim


def test_a_wavering_outline_is_far_from_its_curves() -> None:
    angle = np.arange(720) * (2 * np.pi / 720)
    radius = 150 * (1 + 0.015 * np.sin(9 * angle))
    wavering = Outline(200 + radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)]))
    smooth, wobbly = finish_of(eye(0), MASKS), finish_of(eye(0), replace(MASKS, clean_outline=wavering))
    assert smooth.wobble < MAX_WOBBLE < 0.01 < wobbly.wobble
    summary = summary_of([(smooth, 0.9), (wobbly, None)])
    assert "1 of 2" in summary[0] and summary_of([]) == []
