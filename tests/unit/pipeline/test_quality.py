"""The score and its warnings."""

import cv2
import numpy as np

from orchestrator.pipeline.quality import assess
from tests.disc_masks import disc_masks


def test_each_fault_lowers_the_score_and_has_its_warning() -> None:
    masks = disc_masks(400, 180)
    sharp = np.random.default_rng(1).integers(60, 200, (100, 100, 3)).astype(np.uint8).repeat(4, 0).repeat(4, 1)
    sharp_score, no_warnings = assess(sharp, masks, 0.0)
    assert no_warnings == []
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 9), np.uint8)
    blurred_score, warnings = assess(blurred, masks, 0.0)
    assert "The photo is not quite sharp; hold still and tap the eye to focus." in warnings
    assert blurred_score < sharp_score
    dark_score, warnings = assess((sharp // 12).astype(np.uint8), masks, 0.4)
    assert any("dark" in w for w in warnings) and any("reflections" in w for w in warnings)
    assert dark_score < sharp_score


def test_a_sharp_photo_in_which_no_fibre_can_be_seen_scores_low() -> None:
    """A near-black iris in a dim room: as sharp as the sensor's grain, and yet nothing to see."""
    masks = disc_masks(400, 180)
    grain = np.random.default_rng(2).normal(40, 4, (400, 400, 3)).clip(0, 255).astype(np.uint8)
    score, warnings = assess(grain, masks, 0.0)
    assert score < 0.5 and warnings == ["Hardly any fibres can be seen; use more light, from the side."]
    fibres = 12 * np.sin(np.arange(400) / 2)[:, None, None]
    score, warnings = assess((grain + fibres).clip(0, 255).astype(np.uint8), masks, 0.0)
    assert score > 0.9 and warnings == []
