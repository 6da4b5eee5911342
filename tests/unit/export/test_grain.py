"""The measure of grain."""

import cv2
import numpy as np

from export.evaluation.grain import grain_ratios, share_like_its_ring
from tests.disc_masks import disc_masks


def test_smooth_filling_is_told_from_filling_with_grain() -> None:
    masks = disc_masks(400, 180)
    picture = np.random.default_rng(0).integers(60, 120, (400, 400, 3)).astype(np.uint8)
    place = np.zeros((400, 400), bool)
    place[170:230, 280:340] = True
    assert share_like_its_ring(grain_ratios(picture, place, masks)) == 1.0
    smooth = np.asarray(cv2.GaussianBlur(picture, (0, 0), 2), np.uint8)
    ratios = grain_ratios(np.where(place[..., None], smooth, picture), place, masks)
    assert ratios[0] < 0.3 and share_like_its_ring(ratios) == 0.0
    assert np.isnan(share_like_its_ring(grain_ratios(picture, np.zeros_like(place), masks)))
