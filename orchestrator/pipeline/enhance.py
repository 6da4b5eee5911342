"""From the cleaned iris to the finished picture: contrast, ×4 tile by tile, black around it."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import count

import cv2
import numpy as np

from orchestrator.inference.protocol import SCALE, Infer
from orchestrator.pipeline.images import Mask, Pixels
from orchestrator.pipeline.outline import Outline
from orchestrator.pipeline.tiling import Canvas, Tile, cut_tile, tiles

CLAHE_CLIP, CLAHE_GRID = 1.4, 4
GLOW_REMOVED = 0.85  # share of the glow in the pupil
PUPIL_RIM, INSET = 0.025, 0.02  # of the iris radius


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
    inner = cv2.erode(pupil.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1,) * 2))
    if not inner.any():
        return picture
    dark = np.percentile(picture[inner > 0], 25, axis=0)
    soft = cv2.GaussianBlur(inner.astype(np.float32), (0, 0), margin / 2)[..., None]
    glow = np.maximum(picture - dark, 0)
    return np.asarray(np.clip(picture - glow * (GLOW_REMOVED * soft) + 0.5, 0, 255), np.uint8)


def equalise(picture: Pixels) -> Pixels:
    """Contrast-limited adaptive histogram equalisation of the lightness (Zuiderveld 1994)."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(CLAHE_CLIP, (CLAHE_GRID, CLAHE_GRID)).apply(lab[..., 0])
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


async def upscale(
    picture: Pixels, region: Mask, infer: Infer, in_flight: int, report: Callable[[float], Awaitable[None]]
) -> Pixels:
    """Enlarge ×4 by tiles, several at a time; tiles outside the region stay black.

    Args:
        picture: (H, W, 3) uint8 sRGB.
        region: (H, W) bool.
        infer: runs the enhancer.
        in_flight: tiles being enlarged at once.
        report: awaited after each tile with the share of tiles that are finished, 0–1.
    """
    height, width = picture.shape[:2]
    side = infer.tile_px
    needed = [t for t in tiles(height, width, side) if region[t.y : t.y + side, t.x : t.x + side].any()]
    canvas = Canvas(height, width, side, SCALE)
    turn, blending = asyncio.Semaphore(in_flight), asyncio.Lock()
    finished = count(1)

    async def enlarge(tile: Tile) -> None:
        async with turn:
            enlarged = await infer.upscale(cut_tile(picture, tile, side))
            async with blending:
                await asyncio.to_thread(canvas.add, tile, enlarged)
        await report(next(finished) / len(needed))

    try:
        async with asyncio.TaskGroup() as group:
            for tile in needed:
                group.create_task(enlarge(tile))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return await asyncio.to_thread(canvas.picture)


def on_black(picture: Pixels, outline: Outline, radius_px: float) -> Pixels:
    """Black outside the iris, with a soft outline a little inside the limbus, where the sclera begins to show through.

    Args:
        picture: (H, W, 3) uint8.
        outline: on the picture's grid.
        radius_px: of the iris, on the same grid.
    """
    alpha = outline.inset(INSET * radius_px).alpha(*picture.shape[:2])
    return np.asarray(cv2.multiply(picture, cv2.merge([alpha] * 3), scale=1 / 255), np.uint8)
