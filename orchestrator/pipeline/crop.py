"""The iris cut square out of its photo."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from orchestrator.pipeline.images import Pixels
from orchestrator.pipeline.segment import IrisMasks

MARGIN = 1.06  # half the crop's side in iris radii


@dataclass(frozen=True)
class Crop:
    """The iris with a margin, cut square out of the photo and shrunk where it is too large."""

    picture: Pixels
    masks: IrisMasks
    shrunk: bool


def crop_iris(photo: Pixels, masks: IrisMasks, max_side_px: int) -> Crop:
    """Cut the iris out; beyond the photo's edge its last pixels go on (they end up black)."""
    circle = masks.circle
    side = max(2 * round(circle.radius * MARGIN), 8)
    left, top = round(circle.x - side / 2), round(circle.y - side / 2)
    height, width = photo.shape[:2]
    pads = max(-top, 0), max(top + side - height, 0), max(-left, 0), max(left + side - width, 0)
    window = np.s_[max(top, 0) : min(top + side, height), max(left, 0) : min(left + side, width)]
    picture = cv2.copyMakeBorder(photo[window], *pads, cv2.BORDER_REPLICATE)
    cut = [
        cv2.copyMakeBorder(m[window].astype(np.uint8), *pads, cv2.BORDER_CONSTANT, value=0)
        for m in (masks.iris, masks.pupil, masks.reflection)
    ]
    factor = min(1.0, max_side_px / side)
    if factor < 1.0:
        size = (max_side_px, max_side_px)
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        cut = [cv2.resize(m, size, interpolation=cv2.INTER_AREA) for m in cut]
    moved = replace(circle, x=(circle.x - left) * factor, y=(circle.y - top) * factor, radius=circle.radius * factor)
    found = IrisMasks(cut[0] > 0, cut[1] > 0, cut[2] > 0, moved, masks.presence, masks.confidence)
    return Crop(np.asarray(picture, np.uint8), found, factor < 1.0)
