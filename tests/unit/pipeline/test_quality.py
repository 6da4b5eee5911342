"""The score and its warnings."""

import cv2
import numpy as np

from orchestrator.pipeline.quality import assess
from tests.disc_masks import disc_masks


def test_each_fault_lowers_the_score_and_has_its_warning() -> None:
    masks = disc_masks(400, 180)
    sharp = np.random.default_rng(1).integers(60, 200, (400, 400, 3)).astype(np.uint8)
    sharp_score, no_warnings = assess(sharp, masks, 0.0)
    assert no_warnings == []
    blurred = np.asarray(cv2.GaussianBlur(sharp, (0, 0), 9), np.uint8)
    blurred_score, warnings = assess(blurred, masks, 0.0)
    assert warnings == ["The photo is not quite sharp; hold still and tap the eye to focus."]
    assert blurred_score < sharp_score
    dark_score, warnings = assess((sharp // 12).astype(np.uint8), masks, 0.4)
    assert any("dark" in w for w in warnings) and any("reflections" in w for w in warnings)
    assert dark_score < sharp_score
