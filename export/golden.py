"""Draws the golden set that candidates are checked on; held out of training by its seeds."""

import shutil
from pathlib import Path

import cv2
import numpy as np

from export import eyes
from orchestrator.inference.protocol import SCALE

FIRST_SEED = 9_000_000
KINDS: tuple[tuple[eyes.Kind, int], ...] = (("closeup", 6), ("crop", 10), ("shut", 3), ("trap", 5))
LARGE = 6
QUALITY = [cv2.IMWRITE_JPEG_QUALITY, 93]


def draw_golden(out: Path, side_px: int) -> int:
    """Write the set for networks that are shown `side_px` squares; returns how many pictures it has."""
    shutil.rmtree(out, ignore_errors=True)
    for folder in ("segment", "enlarge"):
        (out / folder).mkdir(parents=True)
    seed, count = FIRST_SEED, 0
    for kind, wanted in KINDS:
        for number in range(wanted):
            drawn = eyes.draw(seed, side_px, side_px, kind)
            stem = out / "segment" / f"{kind}-{number + 1}"
            cv2.imwrite(f"{stem}.png", drawn.image[..., ::-1])
            if drawn.is_eye:
                cv2.imwrite(f"{stem}.mask.png", (drawn.iris | drawn.pupil).astype(np.uint8) * 255)
            seed, count = seed + 1, count + 1
    for number in range(LARGE):
        large = side_px * SCALE
        drawn = eyes.draw(seed, large, large, "crop", mild=True)
        cv2.imwrite(str(out / "enlarge" / f"iris-{number + 1}.jpg"), drawn.clean[..., ::-1], QUALITY)
        seed, count = seed + 1, count + 1
    return count
