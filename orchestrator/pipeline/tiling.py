"""Tiles for a network with a fixed input size: only the part of a picture that is needed, in as few as can be.

What is needed lies in bands, and each band in pieces. A piece is enlarged together with a rim as wide as the network
looks: what lies further away changes nothing. So neighbours meet without a seam, and small pieces share a tile.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np

from orchestrator.pipeline.pixels import Mask, Pixels

MOST_BANDS = 3  # more than are needed that are tried


@dataclass(frozen=True)
class Piece:
    """A rectangle of the picture in pixels, and where in its tile it lies with its rim."""

    x: int
    y: int
    width: int
    height: int
    left: int = 0
    top: int = 0


Tile = tuple[Piece, ...]


def tiles(region: Mask, side_px: int, rim_px: int) -> list[Tile]:
    """Tiles of `side_px` for all pixels of a region, (H, W) bool; of several ways to lay bands, one with the fewest."""
    inner_px = side_px - 2 * rim_px
    if inner_px < 1:
        raise ValueError(f"a tile of {side_px} px with a rim of {rim_px} px has no inside")
    rows = np.flatnonzero(region.any(axis=1))
    if not rows.size:
        return []
    first, height = int(rows[0]), int(rows[-1]) + 1 - int(rows[0])
    packings = [
        _packed(list(_pieces(region, bands, inner_px, rim_px)), side_px, rim_px)
        for bands in _layouts(first, height, inner_px)
    ]
    return min(packings, key=len)


def _layouts(first: int, height: int, inner_px: int) -> Iterator[list[tuple[int, int]]]:
    """Bands, (start, height) each: equally high ones, and full ones between two thin ones."""
    fewest = -(-height // inner_px)
    for count in range(fewest, fewest + MOST_BANDS):
        edges = [first + round(n * height / count) for n in range(count + 1)]
        yield [(a, b - a) for a, b in pairwise(edges) if b > a]
    full, rest = divmod(height, inner_px)
    heights = [rest // 2, *[inner_px] * full, rest - rest // 2]
    starts = np.cumsum([first, *heights[:-1]])
    yield [(int(start), high) for start, high in zip(starts, heights, strict=True) if high]


def _pieces(region: Mask, bands: list[tuple[int, int]], inner_px: int, rim_px: int) -> Iterator[Piece]:
    """What is needed of each band, cut where it is too wide; gaps in it that rims would fill are no gaps."""
    for y, height in bands:
        columns = np.flatnonzero(region[y : y + height].any(axis=0))
        for run in np.split(columns, np.flatnonzero(np.diff(columns) > 2 * rim_px) + 1):
            if run.size:
                for x in range(int(run[0]), int(run[-1]) + 1, inner_px):
                    yield Piece(x, y, min(inner_px, int(run[-1]) + 1 - x), height)


@dataclass
class _Shelf:
    """A row of pieces in a tile."""

    tile: int
    top: int
    height: int
    used: int = 0


@dataclass
class _Shelves:
    """Tiles being filled: high pieces first, each on the first shelf that has room (first fit, decreasing height)."""

    side_px: int
    filled: list[int] = field(default_factory=list)  # of each tile, in height
    shelves: list[_Shelf] = field(default_factory=list)

    def place(self, width: int, height: int) -> tuple[int, int, int]:
        """Tile, left and top for a rectangle."""
        for shelf in self.shelves:
            if height <= shelf.height and shelf.used + width <= self.side_px:
                break
        else:
            shelf = self._new(height)
        shelf.used += width
        return shelf.tile, shelf.used - width, shelf.top

    def _new(self, height: int) -> _Shelf:
        tile = next((n for n, used in enumerate(self.filled) if used + height <= self.side_px), len(self.filled))
        if tile == len(self.filled):
            self.filled.append(0)
        shelf = _Shelf(tile, self.filled[tile], height)
        self.filled[tile] += height
        self.shelves.append(shelf)
        return shelf


def _packed(pieces: list[Piece], side_px: int, rim_px: int) -> list[Tile]:
    packed: dict[int, list[Piece]] = {}
    shelves = _Shelves(side_px)
    for piece in sorted(pieces, key=lambda one: (-one.height, -one.width)):
        tile, left, top = shelves.place(piece.width + 2 * rim_px, piece.height + 2 * rim_px)
        packed.setdefault(tile, []).append(Piece(piece.x, piece.y, piece.width, piece.height, left, top))
    return [tuple(packed[n]) for n in sorted(packed)]


def with_rim(picture: Pixels, rim_px: int) -> Pixels:
    """The picture with its mirror image around it, for `cut_tile`."""
    return np.asarray(cv2.copyMakeBorder(picture, rim_px, rim_px, rim_px, rim_px, cv2.BORDER_REFLECT_101), np.uint8)


def cut_tile(rimmed: Pixels, tile: Tile, side_px: int, rim_px: int) -> Pixels:
    """The pixels of a tile, (side_px, side_px, 3), from a picture `with_rim`; black where no piece lies."""
    pixels = np.zeros((side_px, side_px, 3), np.uint8)
    for piece in tile:
        width, height = piece.width + 2 * rim_px, piece.height + 2 * rim_px
        source = rimmed[piece.y : piece.y + height, piece.x : piece.x + width]
        pixels[piece.top : piece.top + height, piece.left : piece.left + width] = source
    return pixels


def paste_tile(canvas: Pixels, tile: Tile, enlarged: Pixels, scale: int, rim_px: int) -> None:
    """Copy the pieces of an enlarged tile, without their rims, to where they belong in the enlarged picture."""
    for piece in tile:
        left, top = (piece.left + rim_px) * scale, (piece.top + rim_px) * scale
        width, height = piece.width * scale, piece.height * scale
        x, y = piece.x * scale, piece.y * scale
        canvas[y : y + height, x : x + width] = enlarged[top : top + height, left : left + width]
