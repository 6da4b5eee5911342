"""Single lashes are taken out of an iris and what they hid is filled; nothing else is touched."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from orchestrator.pipeline.lashes import find_lashes, remove_lashes
from orchestrator.pipeline.pixels import Pixels
from tests.disc_masks import disc_masks

SIDE, RADIUS = 400, 170.0
MASKS = disc_masks(SIDE, RADIUS)
Line = tuple[tuple[int, int], tuple[int, int]]
ACROSS: Line = ((60, 20), (190, 90))
WITHIN: Line = ((120, 120), (190, 60))


def eye(lines: Sequence[Line] = (), wide_px: int = 4) -> Pixels:
    """An iris with soft radial fibres in its sclera, and dark strokes."""
    ys, xs = np.mgrid[0:SIDE, 0:SIDE] - SIDE / 2
    fibres = 100 + 18 * np.sin(40 * np.arctan2(ys, xs))
    grey = np.where(np.hypot(xs, ys) < RADIUS, fibres, 190).astype(np.uint8)
    photo = np.repeat(grey[..., None], 3, axis=2)
    for start, end in lines:
        cv2.line(photo, start, end, (12, 10, 9), wide_px, cv2.LINE_AA)
    return photo


def test_a_lash_that_crosses_the_outline_is_filled_with_what_is_beside_it() -> None:
    photo, clean = eye([ACROSS]), eye()
    lashes = find_lashes(photo, MASKS)
    assert 0 < np.count_nonzero(lashes) < 0.02 * np.count_nonzero(MASKS.iris)
    removed = remove_lashes(photo, MASKS)
    before, after = (np.abs(picture.astype(int) - clean)[lashes].mean() for picture in (photo, removed))
    assert after < 20 < 60 < before, "grey levels"
    far = cv2.dilate(lashes.astype(np.uint8), np.ones((15, 15))) == 0
    assert np.array_equal(removed[far], photo[far])


@pytest.mark.parametrize(
    ("lines", "wide_px"),
    [
        ([WITHIN], 4),  # a dark fibre or a crypt
        ([ACROSS], 24),  # a lid, or lashes that stick together
        ([((x, 5), (x + 20, 110)) for x in range(70, 330, 9)], 4),  # so many that little is known of what they hide
        ([((18, 200), (35, 200))], 4),  # only the limbus is crossed
    ],
)
def test_what_is_no_single_lash_stays(lines: Sequence[Line], wide_px: int) -> None:
    photo = eye(lines, wide_px)
    assert not find_lashes(photo, MASKS).any() and np.array_equal(remove_lashes(photo, MASKS), photo)
