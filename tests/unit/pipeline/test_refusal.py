"""One reason for each refusal, and none about an eye that was not seen."""

import cv2
import numpy as np
import pytest

from orchestrator.errors import QualityIssue
from orchestrator.pipeline.candidate import Candidate
from orchestrator.pipeline.geometry import Square
from orchestrator.pipeline.looks import Look
from orchestrator.pipeline.pixels import Pixels
from orchestrator.pipeline.refusal import reason
from tests.disc_masks import circle_at

SIDE = 256


def sharp_photo(brightness: float = 1.0) -> Pixels:
    checks = np.kron(np.indices((8, 8)).sum(0) % 2, np.ones((32, 32)))
    return np.repeat((60 + 140 * checks)[..., None] * brightness, 3, axis=2).astype(np.uint8)


def eye(visible: float = 1.0, reflection: float = 0.0, presence: float = 0.5, sclera: float = 1.0) -> Candidate:
    """A candidate of which the lower part can be seen, with a reflection over a share of that."""
    ys, xs = np.mgrid[0:SIDE, 0:SIDE]
    inside = np.hypot(xs - 128, ys - 128) < 60
    disc = (inside & (ys > 188 - 120 * visible)).astype(np.float32)
    covered = disc * (xs < 68 + 120 * reflection)
    white = (~inside * sclera).astype(np.float32)
    look = Look(disc, np.zeros_like(disc), white, covered.astype(np.float32), presence)
    circle = circle_at(128, 128, 60)
    return Candidate(Square(0, 0, SIDE), look, circle, circle)


@pytest.mark.parametrize(
    ("photo", "seen", "code"),
    [
        (sharp_photo(), [], "no_iris"),
        (sharp_photo(0.2), [], "too_dark"),
        (sharp_photo(0.2), [eye()], "too_dark"),
        (sharp_photo(), [eye(visible=0.2)], "lid_too_low"),
        (sharp_photo(), [eye(reflection=0.8)], "reflection_covers_iris"),
        (cv2.GaussianBlur(sharp_photo(), (0, 0), 6), [eye()], "too_blurred"),
        (sharp_photo(), [eye()], "no_iris"),
    ],
)
def test_each_reason(photo: Pixels, seen: list[Candidate], code: str) -> None:
    error = reason(photo, seen)
    assert isinstance(error, QualityIssue) and error.code == code and not error.retryable
    assert error.detail and error.suggestion


@pytest.mark.parametrize("seen", [eye(visible=0.2, presence=0.1), eye(visible=0.2, sclera=0.2)])
def test_nothing_is_said_about_an_eye_that_was_not_seen(seen: Candidate) -> None:
    blurred = np.asarray(cv2.GaussianBlur(sharp_photo(), (0, 0), 6), np.uint8)
    assert reason(blurred, [seen]).code == "no_iris"


def test_every_reason_has_its_own_code_words_and_suggestion() -> None:
    reasons = QualityIssue.__subclasses__()
    for told in ({r.code for r in reasons}, {r().detail for r in reasons}, {r.suggestion for r in reasons}):
        assert len(told) == len(reasons)
