"""A first picture from one look of the segmenter: what `model_repository/iris_preview` does inside Triton."""

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import NoIrisFound
from orchestrator.inference.protocol import IRIS, PUPIL, Infer
from orchestrator.pipeline.crop import crop_iris
from orchestrator.pipeline.enhance import calm_pupil, equalise
from orchestrator.pipeline.geometry import Circle, Square, fit_circle, largest_piece
from orchestrator.pipeline.images import Pixels
from orchestrator.pipeline.reflections import remove_reflections
from orchestrator.pipeline.search import MIN_PRESENCE
from orchestrator.pipeline.segment import MIN_IN_CIRCLE, IrisMasks

DIAMETERS = 1.8  # side of the look, in iris diameters


async def first_picture(photo: Pixels, circle: Circle, infer: Infer) -> Pixels | None:
    """A picture of the iris at `circle`, (P, P, 3) uint8, in one call where the provider has the ensemble.

    None where one look is not enough to make one; the finished picture takes several.
    """
    side = 2 * circle.radius * DIAMETERS
    look = Square(circle.x - side / 2, circle.y - side / 2, side).cut(photo, infer.segment_px)
    try:
        whole = await infer.preview(look)
        if whole is not None:
            return whole
        found = await infer.segment(look[None])
        parts = found.probabilities[0], found.reflection[0], float(found.presence[0])
        return await infer.upscale(cut_out(look, *parts, infer.tile_px))
    except NoIrisFound:
        return None


def cut_out(
    image: Pixels, probabilities: NDArray[np.float32], reflection: NDArray[np.float32], presence: float, side_px: int
) -> Pixels:
    """Cut the iris out of the segmenter's own input, without reflections, black around it.

    Args:
        image: (S, S, 3) uint8 sRGB.
        probabilities: (S, S, C), 0–1.
        reflection: (S, S), 0–1.
        presence: 0–1.
        side_px: side of the answer, (side_px, side_px, 3) uint8.

    Raises:
        NoIrisFound: no open eye, or no round shape.
    """
    iris = largest_piece(probabilities[..., IRIS] + probabilities[..., PUPIL] > 0.5)
    circle = fit_circle(iris)
    if circle is None or presence < MIN_PRESENCE or circle.in_it < MIN_IN_CIRCLE:
        raise NoIrisFound
    pupil = largest_piece(probabilities[..., PUPIL] > 0.5) & iris
    crop = crop_iris(image, IrisMasks(iris, pupil, (reflection > 0.5) & iris, circle, presence, presence), side_px)
    filled = remove_reflections(crop.picture, crop.masks).photo
    cleaned = equalise(calm_pupil(filled, crop.masks.pupil, crop.masks.circle.radius))
    cleaned[~crop.masks.iris] = 0
    return np.asarray(cv2.resize(cleaned, (side_px, side_px), interpolation=cv2.INTER_CUBIC), np.uint8)
