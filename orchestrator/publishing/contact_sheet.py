"""A picture of the golden pictures on which a candidate and the version in use differ most."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.inference.protocol import SEGMENTER
from orchestrator.pipeline.pixels import Pixels
from orchestrator.publishing.answers import Answer
from orchestrator.publishing.criteria import Shown
from orchestrator.publishing.golden import GoldenPicture

SIDE_PX = 256
WHITE = (255, 255, 255)
GREEN = np.array([60, 220, 90])


def contact_sheet(
    model: str,
    pictures: Sequence[GoldenPicture],
    new: Sequence[Answer],
    old: Sequence[Answer],
    to_show: Sequence[Shown],
) -> Pixels:
    """One row for each picture that is to be shown: input, version in use, candidate, difference."""
    rows = [_header("input", "in use", "candidate", "difference")]
    for picture in to_show:
        i = picture.index
        image = _small(pictures[i].image)
        views = [_view(model, image, answer) for answer in (old[i], new[i])]
        difference = np.abs(views[0].astype(np.int16) - views[1].astype(np.int16)).max(axis=2)
        heat = cv2.applyColorMap(np.clip(difference * 3, 0, 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
        row = np.hstack([image, *views, heat])
        _write(row, picture.caption, (8, SIDE_PX - 10))
        rows.append(row)
    return np.vstack(rows)


def _header(*words: str) -> Pixels:
    bar = np.zeros((28, SIDE_PX * len(words), 3), np.uint8)
    for n, word in enumerate(words):
        _write(bar, word, (n * SIDE_PX + 8, 19))
    return bar


def _write(picture: Pixels, words: str, at: tuple[int, int]) -> None:
    cv2.putText(picture, words, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, WHITE, 1, cv2.LINE_AA)


def _small(picture: NDArray[np.uint8]) -> Pixels:
    return np.asarray(cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA), np.uint8).copy()


def _view(model: str, image: Pixels, answer: Answer) -> Pixels:
    """An answer as a picture: the iris tinted green, or the enlarged picture; grey where there is no answer."""
    if answer.output is None:
        return np.full((SIDE_PX, SIDE_PX, 3), 96, np.uint8)
    if model != SEGMENTER:
        return _small(np.asarray(answer.output, np.uint8))
    disc = cv2.resize(answer.output.astype(np.float32), (SIDE_PX, SIDE_PX))[..., None]
    return np.asarray(image * (1 - 0.6 * disc) + GREEN * 0.6 * disc, np.uint8)
