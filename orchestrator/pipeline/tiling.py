"""Overlapping tiles for a network with a fixed input size, and blending what it returns without a seam."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.images import Pixels

# The enhancer looks 18 px around each pixel: what is nearer to a tile's edge is discarded; the next 8 px are blended.
DISCARD_PX, FADE_PX = 20, 8
OVERLAP_PX = 2 * DISCARD_PX + FADE_PX
FULL_WEIGHT = 16  # along one axis, so that the product over both axes is 256


@dataclass(frozen=True)
class Tile:
    """The upper left corner of a tile on the picture, in pixels."""

    x: int
    y: int


def _starts(length: int, side: int) -> list[int]:
    """Where tiles start along one axis: evenly spread, neighbours overlapping by at least OVERLAP_PX."""
    if length <= side:
        return [0]
    count = -(-(length - OVERLAP_PX) // (side - OVERLAP_PX))
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def tiles(height: int, width: int, side: int) -> list[Tile]:
    """Tiles of `side` px that cover a picture; one at (0, 0) where the picture is smaller than a tile."""
    return [Tile(x, y) for y in _starts(height, side) for x in _starts(width, side)]


def cut_tile(picture: Pixels, tile: Tile, side: int) -> Pixels:
    """The tile's pixels, (side, side, 3); a picture smaller than a tile is padded with its mirror image."""
    pixels = picture[tile.y : tile.y + side, tile.x : tile.x + side]
    below, right = side - pixels.shape[0], side - pixels.shape[1]
    if below or right:
        can_mirror = below < pixels.shape[0] and right < pixels.shape[1]
        pads = ((0, below), (0, right), (0, 0))
        pixels = np.pad(pixels, pads, "reflect") if can_mirror else np.pad(pixels, pads, "edge")
    return np.ascontiguousarray(pixels)


def _weights(length: int, side: int, scale: int) -> dict[int, NDArray[np.uint16]]:
    """For each tile along one axis, by its start, the weight of each pixel of its enlargement; they sum to FULL_WEIGHT.

    A tile fades in from DISCARD_PX after its start, over FADE_PX, while the one before it fades out.
    """
    starts = _starts(length, side)
    position = (np.arange(max(length, side) * scale) + 0.5) / scale
    ramps = [np.rint(np.clip((position - s - DISCARD_PX) / FADE_PX, 0, 1) * FULL_WEIGHT) for s in starts]
    ramps[0] = np.full_like(position, FULL_WEIGHT)
    ramps.append(np.zeros_like(position))
    return {
        start: (ramps[n] - ramps[n + 1])[start * scale : (start + side) * scale].astype(np.uint16)
        for n, start in enumerate(starts)
    }


def _sections(weights: NDArray[np.uint16]) -> tuple[slice, slice, slice]:
    """Where a tile fades in, where it alone counts, and where it fades out."""
    counts, alone = np.flatnonzero(weights), np.flatnonzero(weights == FULL_WEIGHT)
    first, last = int(alone[0]), int(alone[-1]) + 1
    return slice(int(counts[0]), first), slice(first, last), slice(last, int(counts[-1]) + 1)


class Canvas:
    """Blends enlarged tiles, each `scale` times its tile, into one picture, in any order.

    Most pixels belong to one tile and are copied; only where tiles overlap are they blended, in 256ths (uint16).
    """

    def __init__(self, height: int, width: int, side: int, scale: int) -> None:
        self._scale = scale
        self._row_weights, self._column_weights = _weights(height, side, scale), _weights(width, side, scale)
        self._sum = np.zeros((height * scale, width * scale, 3), np.uint16)

    def add(self, tile: Tile, enlarged: Pixels) -> None:
        """Blend in one enlarged tile. Not safe to call from two threads at once: tiles overlap."""
        row_weights, column_weights = self._row_weights[tile.y], self._column_weights[tile.x]
        region = self._sum[tile.y * self._scale :, tile.x * self._scale :]
        height, width = region.shape[:2]
        for n, rows in enumerate(_sections(row_weights)):
            for m, columns in enumerate(_sections(column_weights)):
                target = region[rows, columns]
                pixels = enlarged[rows, columns][: target.shape[0], : target.shape[1]]
                if n == m == 1:
                    np.left_shift(pixels, 8, out=target, dtype=np.uint16)
                elif pixels.size:
                    weight = row_weights[rows, None, None] * column_weights[None, columns, None]
                    target += pixels * weight[: max(height - rows.start, 0), : max(width - columns.start, 0)]

    def picture(self) -> Pixels:
        """The picture so far, uint8; black where no tile has been added."""
        return ((self._sum + np.uint16(128)) >> 8).astype(np.uint8)
