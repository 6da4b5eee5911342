"""A faithful candidate beside the version in use, on pictures with known truth: what is good enough."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.inference.protocol import SEGMENTER
from orchestrator.publishing.answers import Answer
from orchestrator.publishing.criteria import (
    Comparison,
    Criterion,
    Shown,
    all_answered,
    caption,
    differences,
    median_ms,
    median_time,
    problem_rows,
    worst_first,
)
from orchestrator.publishing.golden import GoldenPicture

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Tolerances:
    """How much worse than the version in use a candidate may be.

    Scores are IoU (0–1) for a segmenter and PSNR in dB for an enhancer. `difference` is the mean absolute difference of
    the outputs (0–1, or levels of 255) on the picture where it is largest, `slower` the factor of the median time.
    """

    mean_drop: float
    worst_drop: float
    difference: float
    slower: float = 1.5


SEGMENTING = Tolerances(mean_drop=0.01, worst_drop=0.15, difference=0.15)
ENLARGING = Tolerances(mean_drop=0.3, worst_drop=1.0, difference=10.0)


def tolerances_for(model: str) -> Tolerances:
    """The default tolerances for a model."""
    return SEGMENTING if model == SEGMENTER else ENLARGING


def compare(
    model: str,
    pictures: Sequence[GoldenPicture],
    new: Sequence[Answer],
    old: Sequence[Answer],
    tolerances: Tolerances,
) -> Comparison:
    """Compare the candidate's answers with those of the version in use, picture by picture."""
    unit = "IoU" if model == SEGMENTER else "dB"
    names = [picture.name for picture in pictures]
    scores, before = (np.array([a.score for a in answers]) for answers in (new, old))
    apart = differences(new, old)
    criteria = (
        all_answered(new, old),
        _mean_score(unit, scores, before, tolerances),
        _largest_drop(unit, names, scores, before, tolerances),
        _largest_difference(names, apart, tolerances),
        median_time(new, old, tolerances.slower),
        *problem_rows(pictures, new),
    )
    kept = {f"mean_{unit.lower()}": round(float(scores.mean()), 4), "median_ms": median_ms(new), "pictures": len(new)}
    to_show = tuple(
        Shown(i, _caption(unit, names[i], float(before[i]), float(scores[i]), apart[i], tolerances))
        for i in worst_first(apart)
    )
    return Comparison(criteria, kept, to_show)


def _caption(unit: str, name: str, before: float, score: float, apart: float, tolerances: Tolerances) -> str:
    """Says which limit the picture breaks: a score of 1 may stand under a picture that is painted all over."""
    return caption(
        name,
        (
            (f"{unit} {before:.3f} -> {score:.3f}", before - score <= tolerances.worst_drop),
            (f"outputs apart {apart:.3g}", apart <= tolerances.difference),
        ),
    )


def _mean_score(unit: str, scores: Scores, before: Scores, tolerances: Tolerances) -> Criterion:
    mean, mean_before = float(scores.mean()), float(before.mean())
    wanted, good = f"at most {tolerances.mean_drop:g} lower", mean_before - mean <= tolerances.mean_drop
    return Criterion(
        f"mean {unit}", f"{mean:.3f}", f"{mean_before:.3f}", wanted, good, "as near to the truth as before"
    )


def _largest_drop(unit: str, names: Sequence[str], scores: Scores, before: Scores, tolerances: Tolerances) -> Criterion:
    drops = before - scores
    i = int(drops.argmax())
    wanted, good = f"at most {tolerances.worst_drop:g}", bool(drops[i] <= tolerances.worst_drop)
    words = f"{scores[i]:.3f} ({names[i]})", f"{before[i]:.3f}", wanted
    return Criterion(f"largest drop of {unit}", *words, good, "no picture pays for the others")


def _largest_difference(names: Sequence[str], apart: Sequence[float], tolerances: Tolerances) -> Criterion:
    i = int(np.argmax(apart))
    wanted, good = f"at most {tolerances.difference:g}", apart[i] <= tolerances.difference
    return Criterion("outputs apart", f"{apart[i]:.3g} ({names[i]})", "", wanted, good, "no result becomes another one")
