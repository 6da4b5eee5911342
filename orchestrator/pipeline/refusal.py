"""Why a photo is refused: one reason, which the person who took it can do something about."""

from collections.abc import Sequence

import cv2
import numpy as np

from orchestrator.errors import LidTooLow, NoIrisFound, QualityIssue, ReflectionCovers, TooBlurred, TooDark
from orchestrator.pipeline.candidate import Candidate
from orchestrator.pipeline.geometry import largest_piece
from orchestrator.pipeline.pixels import Pixels

DARK_MEDIAN, DARK_BRIGHT = 50, 110  # grey levels: of half of the pixels, and of nine in ten
MIN_PRESENCE = 0.25  # of an eye that is there, though it can't be used
MIN_BESIDE_SCLERA = 0.05
COVERED = 0.4  # share of the visible iris that lies under a reflection
LOW_LID = 0.35  # share of the circle that can be seen
BLURRED = 0.1  # the spread of the Laplacian, in spreads of the picture, at SIDE_PX
SIDE_PX = 256


def reason(photo: Pixels, seen: Sequence[Candidate]) -> QualityIssue:
    """The error that a photo is refused with, from its pixels and the candidates that were not good enough.

    Nothing is said about an eye that was not seen: a cup out of focus is no eye, not a blurred one.
    """
    grey = cv2.cvtColor(_small(photo), cv2.COLOR_RGB2GRAY).astype(np.float32)
    if np.median(grey) < DARK_MEDIAN and np.quantile(grey, 0.9) < DARK_BRIGHT:
        return TooDark()
    eyes = [one for one in seen if one.look.presence >= MIN_PRESENCE and one.beside_sclera >= MIN_BESIDE_SCLERA]
    if not eyes:
        return NoIrisFound()
    eye = max(eyes, key=lambda candidate: candidate.confidence)
    disc = largest_piece(eye.look.disc > 0.5)
    if eye.look.reflection[disc].mean() > COVERED:
        return ReflectionCovers()
    if np.count_nonzero(disc) < LOW_LID * np.pi * eye.circle.radius**2:
        return LidTooLow()
    if cv2.Laplacian(grey, cv2.CV_32F).std() < BLURRED * grey.std():
        return TooBlurred()
    return NoIrisFound()


def _small(photo: Pixels) -> Pixels:
    scale = SIDE_PX / max(photo.shape)
    return np.asarray(cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
