"""The iris cut square out of its photo."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from orchestrator.pipeline.pixels import Pixels
from orchestrator.pipeline.segment import IrisMasks

MARGIN = 1.06  # half the crop's side, in iris radii


@dataclass(frozen=True)
class Crop:
    """The iris with a margin, cut square out of the photo; `shrunk` if it was larger than allowed."""

    picture: Pixels
    masks: IrisMasks
    shrunk: bool


def crop_iris(photo: Pixels, masks: IrisMasks, max_side_px: int) -> Crop:
    """Cut the iris and its masks out; beyond the photo its edge pixels are repeated (they end up black).

    Args:
        photo: (H, W, 3) uint8 sRGB.
        masks: on the photo's grid.
        max_side_px: a larger crop is shrunk to this.
    """
    circle = masks.circle
    side = max(2 * round(circle.radius * MARGIN), 8)
    left, top = round(circle.x - side / 2), round(circle.y - side / 2)
    height, width = photo.shape[:2]
    pads = max(-top, 0), max(top + side - height, 0), max(-left, 0), max(left + side - width, 0)
    window = np.s_[max(top, 0) : min(top + side, height), max(left, 0) : min(left + side, width)]
    picture = cv2.copyMakeBorder(photo[window], *pads, cv2.BORDER_REPLICATE)
    planes = [
        cv2.copyMakeBorder(mask[window].astype(np.uint8), *pads, cv2.BORDER_CONSTANT, value=0)
        for mask in (masks.pupil, masks.reflection)
    ]
    scale = min(1.0, max_side_px / side)
    if scale < 1.0:
        size = (max_side_px, max_side_px)
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        planes = [cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes]
    outline = masks.clean_outline.moved(left, top, scale)
    iris = outline.mask(*picture.shape[:2])
    pupil, reflection = ((plane > 0) & iris for plane in planes)
    circle = replace(circle, x=(circle.x - left) * scale, y=(circle.y - top) * scale, radius=circle.radius * scale)
    cropped = replace(masks, iris=iris, pupil=pupil, reflection=reflection, circle=circle, clean_outline=outline)
    return Crop(np.asarray(picture, np.uint8), cropped, scale < 1.0)
