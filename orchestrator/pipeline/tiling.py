"""Overlapping tiles for a network with a fixed input size, and laying their answers together without a seam."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.images import Pixels

# The compact enhancer looks 18 px around a pixel: what lies nearer to a tile's edge is thrown away, the next 8 px fade.
DISCARD_PX, FADE_PX = 20, 8
OVERLAP_PX = 2 * DISCARD_PX + FADE_PX
FULL = 16  # a tile's share along one axis, so that two axes make 256ths


@dataclass(frozen=True)
class Tile:
    """Where a tile's upper left corner lies on the picture, in pixels."""

    x: int
    y: int


def _starts(length: int, side: int) -> list[int]:
    """Corners along one axis: evenly spread, neighbours overlapping by at least OVERLAP_PX."""
    if length <= side:
        return [0]
    count = -(-(length - OVERLAP_PX) // (side - OVERLAP_PX))
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def tiles(height: int, width: int, side: int) -> list[Tile]:
    """Tiles of `side` px that cover a picture; one at (0, 0) where the picture is smaller than a tile."""
    return [Tile(x, y) for y in _starts(height, side) for x in _starts(width, side)]


def cut(picture: Pixels, tile: Tile, side: int) -> Pixels:
    """The tile's pixels, (side, side, 3); a picture smaller than a tile is continued by reflection."""
    piece = picture[tile.y : tile.y + side, tile.x : tile.x + side]
    below, right = side - piece.shape[0], side - piece.shape[1]
    if below or right:
        reflects = below < piece.shape[0] and right < piece.shape[1]
        pads = ((0, below), (0, right), (0, 0))
        piece = np.pad(piece, pads, "reflect") if reflects else np.pad(piece, pads, "edge")
    return np.ascontiguousarray(piece)


def _shares(length: int, side: int, scale: int) -> dict[int, NDArray[np.uint16]]:
    """For each tile along one axis, by its start, its share of each answer pixel in sixteenths; they sum to 16.

    A tile begins to count DISCARD_PX after its start, over FADE_PX, and what it takes on is taken from the one before.
    """
    starts = _starts(length, side)
    position = (np.arange(max(length, side) * scale) + 0.5) / scale
    ramps = [np.rint(np.clip((position - s - DISCARD_PX) / FADE_PX, 0, 1) * FULL) for s in starts]
    ramps[0] = np.full_like(position, FULL)
    ramps.append(np.zeros_like(position))
    return {
        start: (ramps[n] - ramps[n + 1])[start * scale : (start + side) * scale].astype(np.uint16)
        for n, start in enumerate(starts)
    }


def _parts(shares: NDArray[np.uint16]) -> tuple[slice, slice, slice]:
    """Where a tile fades in, counts alone, and fades out."""
    counts, alone = np.flatnonzero(shares), np.flatnonzero(shares == FULL)
    first, last = int(alone[0]), int(alone[-1]) + 1
    return slice(int(counts[0]), first), slice(first, last), slice(last, int(counts[-1]) + 1)


class Canvas:
    """Collects answers of tiles, each `scale` times its tile, into one picture, in whichever order they come.

    Most pixels belong to one tile and are copied; only where two meet are they mixed, in 256ths (uint16).
    """

    def __init__(self, height: int, width: int, side: int, scale: int) -> None:
        self._scale = scale
        self._rows, self._columns = _shares(height, side, scale), _shares(width, side, scale)
        self._sum = np.zeros((height * scale, width * scale, 3), np.uint16)

    def add(self, tile: Tile, answer: Pixels) -> None:
        """Lay one answer down."""
        down, across = self._rows[tile.y], self._columns[tile.x]
        there = self._sum[tile.y * self._scale :, tile.x * self._scale :]
        height, width = there.shape[:2]
        for n, rows in enumerate(_parts(down)):
            for m, columns in enumerate(_parts(across)):
                into = there[rows, columns]
                piece = answer[rows, columns][: into.shape[0], : into.shape[1]]
                if n == m == 1:
                    np.left_shift(piece, 8, out=into, dtype=np.uint16)
                elif piece.size:
                    share = down[rows, None, None] * across[None, columns, None]
                    into += piece * share[: max(height - rows.start, 0), : max(width - columns.start, 0)]

    def picture(self) -> Pixels:
        """What has been laid down; black where nothing was."""
        return ((self._sum + np.uint16(128)) >> 8).astype(np.uint8)
