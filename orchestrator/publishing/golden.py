"""The golden set: pictures with their truth that a candidate and the version in use both have to answer.

`segment/NAME.png` is what the segmenter is shown, `segment/NAME.mask.png` beside it the iris with its pupil; without a
mask there is no open human eye in it. `enlarge/NAME.jpg` is what a tile should become: the tile is made of it by
averaging 4 × 4 pixels. The shipped pictures are drawn by `python -m export golden`; a folder of one's own may be added.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import BadModelOutput, IrisvueError, SetupError
from orchestrator.inference.protocol import ENHANCER, IRIS, PUPIL, SCALE, SEGMENTER, Infer
from orchestrator.pipeline.images import Mask, Pixels
from orchestrator.pipeline.search import MIN_PRESENCE

SHIPPED = Path(__file__).parent / "golden_pictures"
REPEATS = 3


@dataclass(frozen=True)
class GoldenPicture:
    """One golden picture: what the network is shown, and the truth: a mask (None: no eye), or the large picture."""

    name: str
    shown: Pixels
    mask: Mask | None = None
    large: Pixels | None = None


@dataclass(frozen=True)
class Answer:
    """What one version made of one picture. `score` is higher for better: IoU or presence right (0–1), or PSNR in dB.

    `output` is kept for comparing: (S, S) float32 iris with pupil, or (4T, 4T, 3) uint8. `problem` says why there is
    none.
    """

    score: float
    output: NDArray[np.generic] | None
    seconds: float
    problem: str | None = None


def load_golden(model: str, side_px: int, own: Path | None = None) -> list[GoldenPicture]:
    """The golden pictures for a model that is shown squares of `side_px`. Raises SetupError."""
    folders = [SHIPPED, *([own] if own else [])]
    if own and not own.is_dir():
        raise SetupError(f"There is no folder {own}.")
    kind, read = ("segment", _to_segment) if model == SEGMENTER else ("enlarge", _to_enlarge)
    paths = [p for folder in folders for p in sorted((folder / kind).glob("*")) if ".mask" not in p.name]
    if own and not any((own / kind).glob("*")):
        raise SetupError(f"{own} has no pictures under {kind}/ (see orchestrator/publishing/golden.py for the layout).")
    return [read(path, side_px) for path in paths]


def _read(path: Path, flags: int) -> NDArray[np.uint8]:
    found = cv2.imread(str(path), flags)
    if found is None:
        raise SetupError(f"{path} can't be read as a picture.")
    return np.asarray(found, np.uint8)


def _to_segment(path: Path, side_px: int) -> GoldenPicture:
    shown = _read(path, cv2.IMREAD_COLOR_RGB)
    mask_path = path.with_name(f"{path.stem}.mask.png")
    mask = _read(mask_path, cv2.IMREAD_GRAYSCALE) if mask_path.exists() else None
    size = (side_px, side_px)
    if shown.shape[:2] != size:
        shown = np.asarray(cv2.resize(shown, size, interpolation=cv2.INTER_AREA), np.uint8)
        mask = None if mask is None else np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    return GoldenPicture(path.stem, shown, mask=None if mask is None else mask > 0)


def _to_enlarge(path: Path, side_px: int) -> GoldenPicture:
    large = _read(path, cv2.IMREAD_COLOR_RGB)
    size = (side_px * SCALE, side_px * SCALE)
    if large.shape[:2] != size:
        large = np.asarray(cv2.resize(large, size, interpolation=cv2.INTER_AREA), np.uint8)
    tile = np.asarray(cv2.resize(large, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8)
    return GoldenPicture(path.stem, tile, large=large)


async def ask_all(
    model: str, infers: Sequence[Infer], pictures: Sequence[GoldenPicture], done: Callable[[], None]
) -> list[list[Answer]]:
    """Every picture through each of these providers, in turn, so that a busy machine slows them alike.

    Returns the answers of each provider in the order of the pictures; `done` is called after each picture. Time is the
    median of REPEATS calls after one that does not count.
    """
    answers: list[list[Answer]] = [[] for _ in infers]
    for picture in pictures:
        for infer, mine in zip(infers, answers, strict=True):
            mine.append(await _answer(model, infer, picture))
        done()
    return answers


async def _answer(model: str, infer: Infer, picture: GoldenPicture) -> Answer:
    times = []
    try:
        for _ in range(REPEATS + 1):
            started = time.perf_counter()
            if model == ENHANCER:
                tile = await infer.upscale(picture.shown)
            else:
                found = await infer.segment(picture.shown[None])
            times.append(time.perf_counter() - started)
    except IrisvueError as error:
        return Answer(0.0, None, float("nan"), error.detail if isinstance(error, BadModelOutput) else str(error))
    seconds = float(np.median(times[1:]))
    if model == ENHANCER and picture.large is not None:
        return Answer(min(float(cv2.PSNR(tile, picture.large)), 99.0), tile, seconds)
    disc = found.probabilities[0, ..., IRIS] + found.probabilities[0, ..., PUPIL]
    seen = float(found.presence[0]) >= MIN_PRESENCE
    return Answer(await asyncio.to_thread(_score, disc > 0.5, picture.mask, seen), disc, seconds)


def _score(found: Mask, truth: Mask | None, seen: bool) -> float:
    """IoU where an eye is and was seen; 1 where none is and none was seen; else 0."""
    if truth is None or not seen:
        return float((truth is None) == (not seen))
    return float((found & truth).sum() / max(1, (found | truth).sum()))
