"""From the cleaned iris to the finished picture: contrast, ×4 tile by tile, black around it."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

import cv2
import numpy as np

from orchestrator.inference.protocol import SCALE, Infer
from orchestrator.pipeline.outline import INSET, Outline
from orchestrator.pipeline.pixels import Mask, Pixels
from orchestrator.pipeline.tiling import Tile, cut_tile, paste_tile, tiles, with_rim

CLAHE_CLIP, CLAHE_GRID = 1.4, 4
GLOW_REMOVED = 0.85  # share of the glow in the pupil
PUPIL_RIM = 0.025  # of the iris radius
VISIBLE_BEYOND_PX = 2  # of the soft outline, which is a pixel wide before ×4
STRIP_PX = 128


def darken_pupil(picture: Pixels, pupil: Mask, radius_px: float) -> Pixels:
    """Darken what glows in the pupil.

    A pupil has nothing of its own to show: what is lighter in it than its dark is light that the cornea scatters around
    a reflection, and CLAHE would bring out just that.

    Args:
        picture: (H, W, 3) uint8 sRGB, without reflections.
        pupil: (H, W) bool.
        radius_px: of the iris.
    """
    margin = max(2, round(PUPIL_RIM * radius_px))  # the border between pupil and iris stays as it is
    if not pupil.any():
        return picture
    window = _window(pupil, 4 * margin)
    part = picture[window]
    size = (2 * margin + 1,) * 2
    inner = cv2.erode(pupil[window].astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, size))
    if not inner.any():
        return picture
    dark = np.percentile(part[inner > 0], 25, axis=0)
    soft = cv2.GaussianBlur(inner.astype(np.float32), (0, 0), margin / 2)[..., None]
    glow = np.maximum(part - dark, 0)
    darkened = picture.copy()
    darkened[window] = np.clip(part - glow * (GLOW_REMOVED * soft) + 0.5, 0, 255).astype(np.uint8)
    return darkened


def _window(mask: Mask, rim_px: int) -> tuple[slice, slice]:
    """Rows and columns of a mask that is not empty, with a rim."""
    spans = []
    for axis in (1, 0):
        at = np.flatnonzero(mask.any(axis=axis))
        spans.append(slice(max(int(at[0]) - rim_px, 0), int(at[-1]) + 1 + rim_px))
    return spans[0], spans[1]


def equalise(picture: Pixels) -> Pixels:
    """Contrast-limited adaptive histogram equalisation of the lightness (Zuiderveld 1994)."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(CLAHE_CLIP, (CLAHE_GRID, CLAHE_GRID)).apply(lab[..., 0])
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


async def upscale(
    picture: Pixels, region: Mask, infer: Infer, in_flight: int, report: Callable[[float], Awaitable[None]]
) -> Pixels:
    """Enlarge ×4 by tiles, several at a time; outside the region some of the picture stays black.

    Args:
        picture: (H, W, 3) uint8 sRGB.
        region: (H, W) bool.
        infer: runs the enhancer.
        in_flight: tiles being enlarged at once.
        report: awaited after each tile with the share of tiles that are finished, 0–1.
    """
    side, rim = infer.tile_px, infer.reach_px
    needed = tiles(region, side, rim)
    rimmed = with_rim(picture, rim)
    canvas = np.zeros((picture.shape[0] * SCALE, picture.shape[1] * SCALE, 3), np.uint8)
    turn = asyncio.Semaphore(in_flight)
    finished = count(1)

    async def enlarge(tile: Tile) -> None:
        async with turn:
            enlarged = await infer.upscale(cut_tile(rimmed, tile, side, rim))
            await asyncio.to_thread(paste_tile, canvas, tile, enlarged, SCALE, rim)
        await report(next(finished) / len(needed))

    try:
        async with asyncio.TaskGroup() as group:
            for tile in needed:
                group.create_task(enlarge(tile))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return canvas


def visible(outline: Outline, radius_px: float, shape: tuple[int, ...]) -> Mask:
    """(H, W) bool: the pixels of the picture that `on_black` leaves anything of, after ×4, and a few around them."""
    return outline.inset(INSET * radius_px - VISIBLE_BEYOND_PX).mask(*shape[:2])


def on_black(picture: Pixels, outline: Outline, radius_px: float) -> Pixels:
    """Black outside the iris, with a soft outline a little inside the limbus, where the sclera begins to show through.

    The picture itself is changed.

    Args:
        picture: (H, W, 3) uint8.
        outline: on the picture's grid.
        radius_px: of the iris, on the same grid.
    """
    alpha = outline.inset(INSET * radius_px).alpha(*picture.shape[:2])
    for top in range(0, len(picture), STRIP_PX):
        rows = slice(top, top + STRIP_PX)
        darker = np.flatnonzero((alpha[rows] < 255).any(axis=0))
        for run in np.split(darker, np.flatnonzero(np.diff(darker) > 1) + 1):
            if run.size:
                part = rows, slice(int(run[0]), int(run[-1]) + 1)
                opacity = cv2.merge([alpha[part]] * 3)
                picture[part] = cv2.multiply(np.ascontiguousarray(picture[part]), opacity, scale=1 / 255)
    return picture
