"""Drawn photos that the service refuses, one for each of its reasons: what not to send.

They are near what it just accepts, so that other networks or another processor may accept them: look at the answers
when they are drawn anew.
"""

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np

from export.drawing import eyes
from export.drawing.scene import MILD_LIDS
from orchestrator.pipeline.pixels import Pixels
from orchestrator.words.codes import ErrorCode

SEED, FAR_SEED, BLURRED_SEED = 9_400_003, 9_400_028, 9_400_010
WIDTH, HEIGHT = 480, 360
SHUT_LIDS = replace(MILD_LIDS, upper=-0.7, lower=0.71)
LOW_LID, HALF_LOW_LID = replace(MILD_LIDS, upper=-0.28, lower=0.75), replace(MILD_LIDS, upper=0.1, lower=0.75)
BLUR, SHAKEN = 0.19, 0.22  # standard deviations in iris radii
DARK, NOISE = 0.15, 2.0  # of the light; grey levels
WINDOW = (235, 242, 250)
PANES, BAR = 1.02, 0.03  # half the window's side and half its bars, in iris radii


def _shut() -> Pixels:
    return eyes.draw(SEED, WIDTH, HEIGHT, "shut", mild=True, mild_lids=SHUT_LIDS).image


def _far_away() -> Pixels:
    return eyes.draw(FAR_SEED, WIDTH, HEIGHT, "far", mild=True).image


def _blurred(seed: int, sigma: float) -> Pixels:
    drawn = eyes.draw(seed, WIDTH, HEIGHT, "closeup", mild=True)
    return np.asarray(cv2.GaussianBlur(drawn.image, (0, 0), sigma * drawn.radius), np.uint8)


def _dark() -> Pixels:
    """Little light, and a hand that shook for as long as the camera then needs."""
    noise = np.random.default_rng(SEED).normal(0, NOISE, (HEIGHT, WIDTH, 3))
    return np.asarray(np.clip(_blurred(SEED, SHAKEN) * DARK + noise, 0, 255), np.uint8)


def _under_a_lid() -> Pixels:
    return eyes.draw(SEED, WIDTH, HEIGHT, "closeup", mild=True, mild_lids=LOW_LID).image


def _behind_a_window() -> Pixels:
    """A window with four panes is mirrored over everything between the lids."""
    drawn = eyes.draw(SEED, WIDTH, HEIGHT, "closeup", mild=True, mild_lids=HALF_LOW_LID)
    ys, xs = np.mgrid[0:HEIGHT, 0:WIDTH]
    across, down = (np.abs(axis - middle) / drawn.radius for axis, middle in zip((xs, ys), drawn.centre, strict=True))
    panes = (np.maximum(across, down) < PANES) & (np.minimum(across, down) > BAR)
    panes &= drawn.iris | drawn.pupil | drawn.sclera
    opacity = cv2.GaussianBlur(panes.astype(np.float32), (0, 0), 2)[..., None]
    return np.asarray(drawn.image * (1 - opacity) + np.array(WINDOW) * opacity, np.uint8)


REFUSED: dict[ErrorCode, Callable[[], Pixels]] = {
    "no_iris": _shut,
    "iris_too_small": _far_away,
    "too_dark": _dark,
    "too_blurred": lambda: _blurred(BLURRED_SEED, BLUR),
    "lid_too_low": _under_a_lid,
    "reflection_covers_iris": _behind_a_window,
}


def sheet(columns: int = 3, gap_px: int = 8) -> Pixels:
    """All of them in the order of REFUSED, row by row, on white."""
    cells = [
        cv2.copyMakeBorder(draw(), gap_px, gap_px, gap_px, gap_px, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        for draw in REFUSED.values()
    ]
    rows = [np.concatenate(cells[n : n + columns], axis=1) for n in range(0, len(cells), columns)]
    return np.asarray(np.concatenate(rows), np.uint8)
