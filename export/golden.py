"""Draws the golden set, on which candidates are tried; its seeds keep it out of training.

A drawing has less fine detail than a photo, and interpolation does well on it. So half of the large pictures are drawn
small and enlarged by a teacher, x4plus: eyes with skin, lashes and fibres as photos have them.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from export.drawing import eyes
from orchestrator.inference.protocol import SCALE

FIRST_SEED = 9_000_000
KINDS: tuple[tuple[eyes.Kind, int], ...] = (("closeup", 6), ("crop", 10), ("shut", 3), ("trap", 5))
LARGE_PICTURES, TAUGHT_PICTURES = 3, 3
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 93]


def draw_golden(out: Path, side_px: int, enlarge: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> int:
    """Write the set for networks that are shown `side_px` squares; returns how many pictures it has.

    `enlarge` makes (4H, 4W, 3) of (H, W, 3), both uint8 sRGB.
    """
    shutil.rmtree(out, ignore_errors=True)
    for folder in ("segment", "enlarge"):
        (out / folder).mkdir(parents=True)
    names = [(kind, f"{kind}-{number + 1}") for kind, count in KINDS for number in range(count)]
    for seed, (kind, name) in enumerate(names, FIRST_SEED):
        drawn = eyes.draw(seed, side_px, side_px, kind)
        cv2.imwrite(str(out / "segment" / f"{name}.png"), drawn.image[..., ::-1])
        if drawn.is_eye:
            mask = (drawn.iris | drawn.pupil).astype(np.uint8) * 255
            cv2.imwrite(str(out / "segment" / f"{name}.mask.png"), mask)
    large_px = side_px * SCALE
    for number in range(LARGE_PICTURES):
        drawn = eyes.draw(FIRST_SEED + len(names) + number, large_px, large_px, "crop", mild=True)
        cv2.imwrite(str(out / "enlarge" / f"iris-{number + 1}.jpg"), drawn.clean[..., ::-1], QUALITY)
    first_seed = FIRST_SEED + len(names) + LARGE_PICTURES
    for number in range(TAUGHT_PICTURES):
        small = eyes.draw(first_seed + number, side_px, side_px, "crop", mild=True).clean
        cv2.imwrite(str(out / "enlarge" / f"taught-{number + 1}.jpg"), enlarge(small)[..., ::-1], QUALITY)
    return len(names) + LARGE_PICTURES + TAUGHT_PICTURES
