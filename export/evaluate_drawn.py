"""Scores the segmentation and the removal of reflections on drawn pictures that no training has seen."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from export import eyes
from export.evaluate import GOOD_IOU
from export.metrics import iou, psnr, roc_area
from orchestrator.errors import IrisvueError
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.pipeline.crop import crop_iris
from orchestrator.pipeline.images import Pixels
from orchestrator.pipeline.reflections import find_reflections, remove_reflections
from orchestrator.pipeline.segment import IrisMasks, segment

FIRST_SEED = 9_800_000  # training draws from 1,000,000 to 7,600,000
WIDTH, HEIGHT = 480, 360
CROP_PX, LEAST_PX = 1024, 50
BRIGHT = 240
FAINT = 3  # grey levels that a reflection adds; the truth begins at eyes.VISIBLE
WORST = 8
T = TypeVar("T")


@dataclass(frozen=True)
class Mirrored:
    """Pixels hit, found, true, and found where the reflection is there but too faint to be in the truth; PSNR (dB)
    inside the reflections: untouched, by BRIGHT and Telea, by ours.
    """

    pixels: tuple[int, int, int, int]
    psnr: tuple[float, float, float]


@cache
def _infer(repository: Path) -> OnnxInfer:
    cv2.setNumThreads(1)
    return OnnxInfer(repository)


def _segmented(drawn: eyes.Drawn, repository: Path) -> IrisMasks | None:
    try:
        return asyncio.run(segment(drawn.image, _infer(repository)))
    except IrisvueError:
        return None


def _eye(repository: Path, seed: int) -> tuple[float, float] | None:
    """Confidence and IoU; None where no eye is open in the picture."""
    drawn = eyes.draw(seed, WIDTH, HEIGHT, "closeup")
    if not drawn.is_eye:
        return None
    masks = _segmented(drawn, repository)
    return (masks.confidence, iou(masks.iris, drawn.iris | drawn.pupil)) if masks else (0.0, 0.0)


def _failure(repository: Path, seed: int) -> Pixels:
    """The picture with the true outline in green and the found one in red."""
    drawn = eyes.draw(seed, WIDTH, HEIGHT, "closeup")
    out = drawn.image.copy()
    masks = _segmented(drawn, repository)
    for mask, colour in ((drawn.iris | drawn.pupil, (0, 255, 0)), (masks.iris if masks else None, (255, 0, 0))):
        if mask is not None:
            outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(out, outlines, -1, colour, 1)
    return out


def _write_failures(out: Path, repository: Path, worst: list[int]) -> None:
    cells = [_failure(repository, seed) for seed in worst]
    rows = [np.concatenate(cells[i : i + 4], axis=1) for i in range(0, len(cells) // 4 * 4, 4)]
    cv2.imwrite(str(out), np.concatenate(rows)[..., ::-1])


def _no_eye(repository: Path, seed: int) -> float:
    """Confidence."""
    masks = _segmented(eyes.draw(seed, WIDTH, HEIGHT, "trap" if seed % 2 else "shut"), repository)
    return masks.confidence if masks else 0.0


def _reflections(repository: Path, seed: int) -> Mirrored | None:
    """None where the eye mirrors nothing, or was refused."""
    drawn = eyes.draw(seed, WIDTH, HEIGHT, "closeup", mild=True)
    masks = _segmented(drawn, repository)
    if masks is None:
        return None
    crop, clean = crop_iris(drawn.image, masks, CROP_PX), crop_iris(drawn.clean, masks, CROP_PX).picture
    truth = np.repeat(drawn.reflection[..., None], 3, axis=2).astype(np.uint8)
    shine = (crop_iris(truth, masks, CROP_PX).picture[..., 0] > 0) & crop.masks.iris
    if shine.sum() < LEAST_PX:
        return None
    found = find_reflections(crop.picture, crop.masks)
    bright = (cv2.cvtColor(crop.picture, cv2.COLOR_RGB2GRAY) > BRIGHT).astype(np.uint8)
    reference = np.asarray(cv2.inpaint(crop.picture, bright, 3, cv2.INPAINT_TELEA), np.uint8)
    ours = remove_reflections(crop.picture, crop.masks).photo
    faint = found & ~shine & (np.abs(crop.picture.astype(np.int16) - clean).max(-1) > FAINT)
    return Mirrored(
        (int((found & shine).sum()), int(found.sum()), int(shine.sum()), int(faint.sum())),
        (psnr(crop.picture, clean, shine), psnr(reference, clean, shine), psnr(ours, clean, shine)),
    )


def _each(pool: ProcessPoolExecutor, what: str, work: Callable[[int], T], first: int, count: int) -> list[T]:
    return list(track(pool.map(work, range(first, first + count), chunksize=4), what, total=count))


def evaluate_drawn(count: int, repository: Path, failures: Path | None = None) -> None:
    """Print scores on `count` held-out eyes (as phones take them), as many without an eye, as many sharp ones.

    `failures` gets a picture of the eight eyes that came out worst.
    """
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:  # OpenCV's threads do not survive a fork
        eyes_seen = _each(pool, "Eyes", partial(_eye, repository), FIRST_SEED, count)
        others = _each(pool, "No eyes", partial(_no_eye, repository), FIRST_SEED + 10_000, count)
        sharp = _each(pool, "Reflections", partial(_reflections, repository), FIRST_SEED + 20_000, count)
    seen = [row for row in eyes_seen if row]
    if failures:
        score = {FIRST_SEED + n: row[1] for n, row in enumerate(eyes_seen) if row}
        _write_failures(failures, repository, sorted(score, key=lambda seed: score[seed])[:WORST])
    confidence, ious = np.array([c for c, _ in seen]), np.array([i for _, i in seen])
    found = ious[confidence > 0]
    say = Console(width=150).print
    say(f"IoU mean {found.mean():.3f}, tenth percentile {np.quantile(found, 0.1):.3f}, lowest {found.min():.3f}, "
        f"of {len(found)}")  # fmt: skip
    say(f"eyes refused {len(ious) - len(found)} of {len(ious)}; pictures without an eye accepted "
        f"{sum(c > 0 for c in others)} of {count}")  # fmt: skip
    area = roc_area(np.concatenate([confidence, others]), np.concatenate([ious, np.zeros(count)]) >= GOOD_IOU)
    say(f"confidence, IoU ≥ {GOOD_IOU} against the rest and what is no eye: area under the ROC curve {area:.4f}")
    for least in (0.5, 0.7, 0.9):
        sure = confidence >= least
        say(f"  confidence ≥ {least}: {sure.mean():.0%} of the eyes, lowest IoU {ious[sure].min(initial=1):.2f}, "
            f"{sum(c >= least for c in others)} of {count} that are none")  # fmt: skip
    rows = [row for row in sharp if row]
    hit, marked, true, faint = np.sum([row.pixels for row in rows], axis=0)
    dB = np.mean([row.psnr for row in rows], axis=0)
    say(f"reflections ({len(rows)}): recall {hit / true:.3f}, precision {hit / marked:.3f}; "
        f"{(hit + faint) / marked:.3f} with what is too faint to count")  # fmt: skip
    say(f"  PSNR inside: {dB[0]:.1f} dB untouched, {dB[1]:.1f} dB by grey > {BRIGHT} and Telea, {dB[2]:.1f} dB by ours")
