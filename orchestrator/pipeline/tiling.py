"""Overlapping tiles for a network with a fixed input size, and laying their answers together without a seam."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.pipeline.images import Pixels

# The compact enhancer looks 18 px around a pixel: what lies nearer to a tile's edge is thrown away, the next 8 px fade.
DISCARD_PX, FADE_PX = 20, 8
OVERLAP_PX = 2 * DISCARD_PX + FADE_PX


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


def _fade(start: int, side: int, length: int) -> NDArray[np.float32]:
    """Weights along one axis: 0 in the discarded rim, a ramp, 1 inside; no rim at the picture's own edges."""
    position = np.arange(side, dtype=np.float32) + 0.5
    ramp_in = np.clip((position - DISCARD_PX) / FADE_PX, 0, 1) if start > 0 else np.ones(side, np.float32)
    from_end = side - position
    ramp_out = np.clip((from_end - DISCARD_PX) / FADE_PX, 0, 1) if start + side < length else np.ones(side, np.float32)
    return np.minimum(ramp_in, ramp_out).astype(np.float32)


class Canvas:
    """Collects answers of tiles, each `scale` times its tile, into one picture."""

    def __init__(self, height: int, width: int, side: int, scale: int) -> None:
        self._size = height, width
        self._side, self._scale = side, scale
        self._sum = np.zeros((height * scale, width * scale, 3), np.float32)
        self._weight = np.zeros((height * scale, width * scale, 1), np.float32)

    def add(self, tile: Tile, answer: Pixels) -> None:
        """Lay one answer down."""
        height, width = self._size
        k, side = self._scale, self._side
        down = np.repeat(_fade(tile.y, side, height), k)
        across = np.repeat(_fade(tile.x, side, width), k)
        weight = (down[:, None] * across[None, :])[..., None]
        rows, columns = min(side, height - tile.y) * k, min(side, width - tile.x) * k
        where = np.s_[tile.y * k : tile.y * k + rows, tile.x * k : tile.x * k + columns]
        self._sum[where] += answer[:rows, :columns] * weight[:rows, :columns]
        self._weight[where] += weight[:rows, :columns]

    def picture(self) -> Pixels:
        """What has been laid down; black where nothing was."""
        done = self._sum / np.maximum(self._weight, 1e-6)
        return np.clip(done + 0.5, 0, 255).astype(np.uint8)
