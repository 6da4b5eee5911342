"""Scores the segmentation and the removal of reflections on drawn pictures that no training has seen."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track

from export.evaluation.drawn_scores import (
    BRIGHT,
    EyeScore,
    ReflectionScore,
    score_eye,
    score_no_eye,
    score_reflections,
    with_outlines,
)
from export.evaluation.grain import share_like_its_ring
from export.evaluation.metrics import roc_area
from export.evaluation.photos import GOOD_IOU

FIRST_SEED = 9_800_000  # training draws from 1,000,000 to 7,600,000
NO_EYE_SEED, SHARP_SEED = FIRST_SEED + 10_000, FIRST_SEED + 20_000
WORST, FAILURES_A_ROW = 8, 4
Score = TypeVar("Score")


def evaluate_drawn(count: int, repository: Path, failures: Path | None = None) -> None:
    """Print scores on `count` held-out eyes (as phones take them), as many without an eye, as many sharp ones.

    `failures` gets a picture of the eight eyes that came out worst.
    """
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:  # OpenCV's threads do not survive a fork
        eyes = _each(pool, "Eyes", partial(score_eye, repository), FIRST_SEED, count)
        no_eyes = _each(pool, "No eyes", partial(score_no_eye, repository), NO_EYE_SEED, count)
        sharp = _each(pool, "Reflections", partial(score_reflections, repository), SHARP_SEED, count)
    if failures:
        ious = {FIRST_SEED + n: score.iou for n, score in enumerate(eyes) if score}
        _write_failures(failures, repository, sorted(ious, key=lambda seed: ious[seed])[:WORST])
    console = Console(width=150)
    _print_segmentation(console, [score for score in eyes if score], no_eyes)
    _print_reflections(console, [score for score in sharp if score])


def _each(
    pool: ProcessPoolExecutor, title: str, score: Callable[[int], Score], first_seed: int, count: int
) -> list[Score]:
    seeds = range(first_seed, first_seed + count)
    return list(track(pool.map(score, seeds, chunksize=4), title, total=count))


def _write_failures(out: Path, repository: Path, seeds: list[int]) -> None:
    cells = [with_outlines(repository, seed) for seed in seeds]
    starts = range(0, len(cells) // FAILURES_A_ROW * FAILURES_A_ROW, FAILURES_A_ROW)
    rows = [np.concatenate(cells[i : i + FAILURES_A_ROW], axis=1) for i in starts]
    cv2.imwrite(str(out), np.concatenate(rows)[..., ::-1])


def _print_segmentation(console: Console, eyes: list[EyeScore], no_eyes: list[float]) -> None:
    """IoU, refusals and what the confidence is worth; `no_eyes` are the confidences in pictures without one."""
    confidence, ious = np.array([score.confidence for score in eyes]), np.array([score.iou for score in eyes])
    accepted = ious[confidence > 0]
    console.print(
        f"IoU mean {accepted.mean():.3f}, tenth percentile {np.quantile(accepted, 0.1):.3f}, "
        f"lowest {accepted.min():.3f}, of {len(accepted)}"
    )
    console.print(
        f"eyes refused {len(ious) - len(accepted)} of {len(ious)}; pictures without an eye accepted "
        f"{sum(c > 0 for c in no_eyes)} of {len(no_eyes)}"
    )
    all_ious = np.concatenate([ious, np.zeros(len(no_eyes))])
    area = roc_area(np.concatenate([confidence, no_eyes]), all_ious >= GOOD_IOU)
    console.print(
        f"confidence, IoU ≥ {GOOD_IOU} against the rest and what is no eye: area under the ROC curve {area:.4f}"
    )
    for least in (0.5, 0.7, 0.9):
        sure = confidence >= least
        console.print(
            f"  confidence ≥ {least}: {sure.mean():.0%} of the eyes, lowest IoU {ious[sure].min(initial=1):.2f}, "
            f"{sum(c >= least for c in no_eyes)} of {len(no_eyes)} that are none"
        )


def _print_reflections(console: Console, scores: list[ReflectionScore]) -> None:
    hit, marked, true, faint = np.sum([score.pixels for score in scores], axis=0)
    console.print(
        f"reflections ({len(scores)}): recall {hit / true:.3f}, precision {hit / marked:.3f}; "
        f"{(hit + faint) / marked:.3f} with what is too faint to count"
    )
    _print_filling(console, "all", scores)
    _print_filling(console, "large ones on dark irises", [score for score in scores if score.large_on_dark])


def _print_filling(console: Console, group: str, scores: list[ReflectionScore]) -> None:
    if not scores:
        return
    dB = np.mean([score.psnr for score in scores], axis=0)
    grain = [ratio for score in scores for ratio in score.grain]
    console.print(
        f"  {group} ({len(scores)}): PSNR inside {dB[0]:.1f} dB untouched, "
        f"{dB[1]:.1f} dB by grey > {BRIGHT} and Telea, {dB[2]:.1f} dB by ours"
    )
    console.print(f"    grain like its ring's in {share_like_its_ring(grain):.0%} of {len(grain)} filled places")
