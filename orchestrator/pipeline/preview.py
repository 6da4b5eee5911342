"""A preview from one look of the segmenter: what `model_repository/iris_preview` does inside Triton."""

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import NoIrisFound
from orchestrator.inference.protocol import IRIS, PUPIL, Infer
from orchestrator.pipeline.crop import crop_iris
from orchestrator.pipeline.enhance import darken_pupil, equalise, on_black
from orchestrator.pipeline.geometry import Circle, Square, around, fit_circle, largest_piece
from orchestrator.pipeline.outline_fit import outlines_on_photo
from orchestrator.pipeline.pixels import Pixels
from orchestrator.pipeline.pupil import fit_pupil
from orchestrator.pipeline.reflections import remove_reflections
from orchestrator.pipeline.search import MIN_PRESENCE
from orchestrator.pipeline.segment import MIN_MASK_SHARE, IrisMasks

DIAMETERS = 1.8  # side of the look, in iris diameters


async def make_preview(photo: Pixels, circle: Circle, turn: int, infer: Infer) -> Pixels | None:
    """A first picture of the iris at `circle`, (P, P, 3) uint8, in one call where the provider has the ensemble.

    The network sees the eye turned by `turn` quarters, counter-clockwise. None where one look is not enough to make a
    picture; the finished one takes several.
    """
    image = np.ascontiguousarray(np.rot90(around(circle, DIAMETERS).cut(photo, infer.segment_px), turn))
    try:
        preview = await infer.preview(image)
        if preview is None:
            preview = await _upscaled(image, infer)
    except NoIrisFound:
        return None
    return np.ascontiguousarray(np.rot90(preview, -turn))


async def _upscaled(image: Pixels, infer: Infer) -> Pixels:
    """The preview, where there is no ensemble. Raises NoIrisFound."""
    segmentation = await infer.segment(image[None])
    probabilities, reflection = segmentation.probabilities[0], segmentation.reflection[0]
    tile = cut_out(image, probabilities, reflection, float(segmentation.presence[0]), infer.tile_px)
    return await infer.upscale(tile)


def cut_out(
    image: Pixels, probabilities: NDArray[np.float32], reflection: NDArray[np.float32], presence: float, side_px: int
) -> Pixels:
    """Cut the iris out of the segmenter's own input, without reflections, black around it.

    Args:
        image: (S, S, 3) uint8 sRGB.
        probabilities: (S, S, C), 0–1.
        reflection: (S, S), 0–1.
        presence: 0–1.
        side_px: side of the result, (side_px, side_px, 3) uint8.

    Raises:
        NoIrisFound: no open eye, or no round shape.
    """
    disc = probabilities[..., IRIS] + probabilities[..., PUPIL]
    circle = fit_circle(largest_piece(disc > 0.5))
    if circle is None or presence < MIN_PRESENCE or circle.mask_share < MIN_MASK_SHARE:
        raise NoIrisFound
    outline, clean = outlines_on_photo(disc, circle, Square(0, 0, len(image)), image)
    iris = outline.mask(*image.shape[:2])
    marked = (reflection > 0.5) & iris
    pupil_circle = fit_pupil(probabilities[..., PUPIL], iris & ~marked, circle)
    pupil = pupil_circle.disc(*iris.shape) & iris if pupil_circle else np.zeros_like(iris)
    masks = IrisMasks(iris, pupil, marked, circle, presence, presence, clean)
    crop = crop_iris(image, masks, side_px)
    cleaned = remove_reflections(crop.picture, crop.masks).photo
    finished = equalise(darken_pupil(cleaned, crop.masks.pupil, crop.masks.circle.radius))
    large = np.asarray(cv2.resize(finished, (side_px, side_px), interpolation=cv2.INTER_CUBIC), np.uint8)
    scale = side_px / len(finished)
    return on_black(large, crop.masks.clean_outline.moved(0, 0, scale), crop.masks.circle.radius * scale)
