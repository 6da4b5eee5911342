"""From the cleaned iris to the finished picture: contrast, ×4 tile by tile, black around it."""

import asyncio
from collections.abc import Awaitable, Callable

import cv2
import numpy as np

from orchestrator.inference.protocol import SCALE, Infer
from orchestrator.pipeline.images import Mask, Pixels
from orchestrator.pipeline.tiling import Canvas, Tile, cut, tiles

CLAHE_CLIP, CLAHE_GRID = 1.4, 4
PUPIL_RIM, GLOW_TAKEN = 0.025, 0.85  # of the iris radius; the share of the glow that goes
INSET = 0.02  # of the radius
EDGE_PX = 4.0  # softness of the outline in the finished picture


def calm_pupil(picture: Pixels, pupil: Mask, radius_px: float) -> Pixels:
    """Darken what glows in the pupil.

    A pupil has nothing of its own to show: what is lighter there than its dark is light that the cornea scatters around
    a reflection, and CLAHE would bring out just that.

    Args:
        picture: (H, W, 3) uint8 sRGB, reflections filled.
        pupil: (H, W) bool.
        radius_px: of the iris.
    """
    margin = max(2, round(PUPIL_RIM * radius_px))  # the border between pupil and iris stays as it is
    inner = cv2.erode(pupil.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * margin + 1,) * 2))
    if not inner.any():
        return picture
    dark = np.percentile(picture[inner > 0], 25, axis=0)
    soft = cv2.GaussianBlur(inner.astype(np.float32), (0, 0), margin / 2)[..., None]
    lighter = np.maximum(picture - dark, 0)
    return np.asarray(np.clip(picture - lighter * (GLOW_TAKEN * soft) + 0.5, 0, 255), np.uint8)


def equalise(picture: Pixels) -> Pixels:
    """Contrast-limited adaptive histogram equalisation of the lightness (Zuiderveld 1994)."""
    lab = cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)
    lab[..., 0] = cv2.createCLAHE(CLAHE_CLIP, (CLAHE_GRID, CLAHE_GRID)).apply(lab[..., 0])
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)


async def upscale(
    picture: Pixels, wanted: Mask, infer: Infer, in_flight: int, done: Callable[[float], Awaitable[None]]
) -> Pixels:
    """Enlarge ×4 by tiles, several at a time; tiles without a wanted pixel stay black.

    Args:
        picture: (H, W, 3) uint8 sRGB.
        wanted: (H, W) bool.
        infer: runs the enhancer.
        in_flight: tiles under way at once.
        done: called with the share of tiles that are back, 0–1, after each.
    """
    height, width = picture.shape[:2]
    side = infer.tile_px
    needed = [t for t in tiles(height, width, side) if wanted[t.y : t.y + side, t.x : t.x + side].any()]
    canvas = Canvas(height, width, side, SCALE)
    turn, painting = asyncio.Semaphore(in_flight), asyncio.Lock()  # tiles overlap: one is laid down at a time
    back = 0

    async def one(tile: Tile) -> None:
        nonlocal back
        async with turn:
            answer = await infer.upscale(cut(picture, tile, side))
            async with painting:
                await asyncio.to_thread(canvas.add, tile, answer)
        back += 1
        await done(back / len(needed))

    try:
        async with asyncio.TaskGroup() as group:
            for tile in needed:
                group.create_task(one(tile))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return await asyncio.to_thread(canvas.picture)


def on_black(picture: Pixels, iris: Mask, radius_px: float) -> Pixels:
    """Black outside the iris, with a soft outline a little inside the limbus, where the sclera begins to show through.

    Args:
        picture: (SCALE·H, SCALE·W, 3) uint8.
        iris: (H, W) bool.
        radius_px: of the iris, on the mask's grid.
    """
    size = picture.shape[1], picture.shape[0]
    framed = np.pad(iris.astype(np.uint8), 1)
    depth = cv2.distanceTransform(framed, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - framed, cv2.DIST_L2, 5)
    smooth = cv2.GaussianBlur(depth[1:-1, 1:-1] - INSET * radius_px, (0, 0), max(1.0, 0.012 * radius_px))
    large = np.asarray(cv2.resize(smooth, size, interpolation=cv2.INTER_CUBIC)) * SCALE
    alpha = np.clip(large / EDGE_PX + 0.5, 0, 1)
    shown = cv2.merge([(alpha * 255 + 0.5).astype(np.uint8)] * 3)
    return np.asarray(cv2.multiply(picture, shown, scale=1 / 255), np.uint8)
