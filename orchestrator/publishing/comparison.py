"""A candidate beside the version in use: what is compared, and what is good enough."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.inference.protocol import SEGMENTER
from orchestrator.publishing.answers import Answer
from orchestrator.publishing.golden import GoldenPicture

WORST = 5  # pictures on the contact sheet
PROBLEMS = 3  # that are named

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


@dataclass(frozen=True)
class Criterion:
    """One thing that was compared, in words. If it is not `good`, the candidate is not published."""

    name: str
    candidate: str
    in_use: str
    wanted: str
    good: bool


@dataclass(frozen=True)
class Comparison:
    """All criteria, the candidate's scores for its row, and the pictures that differ most (by index)."""

    criteria: tuple[Criterion, ...]
    scores: dict[str, float]
    worst: tuple[int, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the candidate may be published."""
        return all(criterion.good for criterion in self.criteria)


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
    problems = [f"{name}: {a.problem}" for name, a in zip(names, new, strict=True) if a.problem]
    scores, before = (np.array([a.score for a in answers]) for answers in (new, old))
    differences = np.array([_difference(a, b) for a, b in zip(new, old, strict=True)])
    seconds, seconds_before = (float(np.nanmedian([a.seconds for a in answers] or [np.nan])) for answers in (new, old))
    criteria = (
        _all_answered(len(new), len(problems), len(old)),
        _mean_score(unit, scores, before, tolerances),
        _largest_drop(unit, names, scores, before, tolerances),
        _largest_difference(names, differences, tolerances),
        _median_time(seconds, seconds_before, tolerances),
        *(Criterion("problem", words, "", "none", False) for words in problems[:PROBLEMS]),
    )
    kept = {
        f"mean_{unit.lower()}": round(float(scores.mean()), 4),
        "median_ms": round(seconds * 1000, 2),
        "pictures": float(len(new)),
    }
    return Comparison(criteria, kept, tuple(int(i) for i in np.argsort(-differences)[:WORST]))


def _difference(one: Answer, other: Answer) -> float:
    if one.output is None or other.output is None:
        return float("inf")
    return float(np.abs(one.output.astype(np.float32) - other.output.astype(np.float32)).mean())


def _all_answered(count: int, problems: int, count_before: int) -> Criterion:
    return Criterion("pictures answered", f"{count - problems} of {count}", f"{count_before}", "all", not problems)


def _mean_score(unit: str, scores: Scores, before: Scores, tolerances: Tolerances) -> Criterion:
    mean, mean_before = float(scores.mean()), float(before.mean())
    wanted, good = f"at most {tolerances.mean_drop:g} lower", mean_before - mean <= tolerances.mean_drop
    return Criterion(f"mean {unit}", f"{mean:.3f}", f"{mean_before:.3f}", wanted, good)


def _largest_drop(unit: str, names: Sequence[str], scores: Scores, before: Scores, tolerances: Tolerances) -> Criterion:
    drops = before - scores
    i = int(drops.argmax())
    wanted, good = f"at most {tolerances.worst_drop:g}", bool(drops[i] <= tolerances.worst_drop)
    return Criterion(f"largest drop of {unit}", f"{scores[i]:.3f} ({names[i]})", f"{before[i]:.3f}", wanted, good)


def _largest_difference(names: Sequence[str], differences: Scores, tolerances: Tolerances) -> Criterion:
    i = int(differences.argmax())
    wanted, good = f"at most {tolerances.difference:g}", bool(differences[i] <= tolerances.difference)
    return Criterion("outputs apart", f"{differences[i]:.3g} ({names[i]})", "", wanted, good)


def _median_time(seconds: float, seconds_before: float, tolerances: Tolerances) -> Criterion:
    wanted, good = f"at most × {tolerances.slower:g}", seconds <= seconds_before * tolerances.slower
    return Criterion("median time", f"{seconds * 1000:.1f} ms", f"{seconds_before * 1000:.1f} ms", wanted, good)
