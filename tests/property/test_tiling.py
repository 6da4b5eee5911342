"""Tiling is invisible: a network that repeats pixels returns the enlarged picture unchanged, whatever its size."""

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.pipeline.tiling import OVERLAP_PX, Canvas, cut_tile, tiles

sizes = st.integers(1, 400)


@given(sizes, sizes, st.integers(OVERLAP_PX + 8, 160))
@settings(max_examples=60, deadline=None)
def test_tiles_cover_and_overlap(height: int, width: int, side: int) -> None:
    placed = tiles(height, width, side)
    covered = np.zeros((height, width), int)
    for tile in placed:
        assert tile.x >= 0
        assert tile.x == 0 or tile.x + side <= width
        assert tile.y == 0 or tile.y + side <= height
        covered[tile.y : tile.y + side, tile.x : tile.x + side] += 1
    assert covered.min() >= 1
    for corners in ([t.x for t in placed], [t.y for t in placed]):
        ordered = sorted(set(corners))
        assert all(b - a <= side - OVERLAP_PX for a, b in pairwise(ordered))


@given(sizes, sizes, st.integers(64, 130), st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_identity_network_leaves_no_seam(height: int, width: int, side: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)
    canvas = Canvas(height, width, side, 2)
    for tile in tiles(height, width, side):
        canvas.add(tile, cut_tile(picture, tile, side).repeat(2, 0).repeat(2, 1))
    assert (canvas.picture() == picture.repeat(2, 0).repeat(2, 1)).all()
