"""A candidate beside the version in use: what is compared, what is still good enough, and a picture of the worst."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.inference.protocol import SEGMENTER
from orchestrator.pipeline.images import Pixels
from orchestrator.publishing.golden import Answer, GoldenPicture

WORST, SIDE_PX = 5, 256


@dataclass(frozen=True)
class Tolerances:
    """How much worse than the version in use a candidate may be.

    Scores are IoU (0–1) for a segmenter and PSNR in dB for an enhancer; `difference` is the mean absolute difference of
    the outputs (0–1, or levels of 255) on the picture where it is largest; `slower` the factor of the median time.
    """

    mean_drop: float
    worst_drop: float
    difference: float
    slower: float = 1.5


SEGMENTING = Tolerances(mean_drop=0.01, worst_drop=0.15, difference=0.15)
ENLARGING = Tolerances(mean_drop=0.3, worst_drop=1.0, difference=10.0)


def tolerances_for(model: str) -> Tolerances:
    """The usual ones."""
    return SEGMENTING if model == SEGMENTER else ENLARGING


@dataclass(frozen=True)
class Criterion:
    """One comparison, in words; `good` False stops the publication."""

    what: str
    candidate: str
    in_use: str
    wanted: str
    good: bool


@dataclass(frozen=True)
class Comparison:
    """All comparisons, the scores to write down, and which pictures came out most differently (by index)."""

    checks: list[Criterion]
    scores: dict[str, float]
    worst: list[int] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether the candidate may be published."""
        return all(check.good for check in self.checks)


def _difference(one: Answer, other: Answer) -> float:
    if one.output is None or other.output is None:
        return float("inf")
    return float(np.abs(one.output.astype(np.float32) - other.output.astype(np.float32)).mean())


def compare(
    model: str, pictures: Sequence[GoldenPicture], new: Sequence[Answer], old: Sequence[Answer], limits: Tolerances
) -> Comparison:
    """Compare the answers of the candidate with those of the version in use, picture by picture."""
    unit = "IoU" if model == SEGMENTER else "dB"
    problems = [f"{p.name}: {a.problem}" for p, a in zip(pictures, new, strict=True) if a.problem]
    got, had = (np.array([a.score for a in answers]) for answers in (new, old))
    drops = had - got
    apart = np.array([_difference(a, b) for a, b in zip(new, old, strict=True)])
    worst, farthest = int(drops.argmax()), int(apart.argmax())
    seconds = [float(np.nanmedian([a.seconds for a in answers] or [np.nan])) for answers in (new, old)]
    checks = [
        Criterion("pictures answered", f"{len(new) - len(problems)} of {len(new)}", f"{len(old)}", "all", not problems),
        Criterion(
            f"mean {unit}", f"{got.mean():.3f}", f"{had.mean():.3f}", f"at most {limits.mean_drop:g} lower",
            bool(had.mean() - got.mean() <= limits.mean_drop),
        ),
        Criterion(
            f"largest drop of {unit}", f"{got[worst]:.3f} ({pictures[worst].name})", f"{had[worst]:.3f}",
            f"at most {limits.worst_drop:g}", bool(drops[worst] <= limits.worst_drop),
        ),
        Criterion(
            "outputs apart", f"{apart[farthest]:.3g} ({pictures[farthest].name})", "", f"at most {limits.difference:g}",
            bool(apart[farthest] <= limits.difference),
        ),
        Criterion(
            "median time", f"{seconds[0] * 1000:.1f} ms", f"{seconds[1] * 1000:.1f} ms", f"at most × {limits.slower:g}",
            bool(seconds[0] <= seconds[1] * limits.slower),
        ),
    ]  # fmt: skip
    checks += [Criterion("problem", words, "", "none", False) for words in problems[:3]]
    scores = {
        f"mean_{unit.lower()}": round(float(got.mean()), 4),
        "median_ms": round(seconds[0] * 1000, 2),
        "pictures": float(len(new)),
    }
    order = np.argsort(-np.where(np.isfinite(apart), apart, np.inf))
    return Comparison(checks, scores, [int(i) for i in order[:WORST]])


def contact_sheet(
    model: str, pictures: Sequence[GoldenPicture], new: Sequence[Answer], old: Sequence[Answer], worst: Sequence[int]
) -> Pixels:
    """The pictures that came out most differently, one a row: shown, version in use, candidate, where they differ."""
    rows = [_header("shown", "in use", "candidate", "difference")]
    for i in worst:
        shown = _small(pictures[i].shown)
        views = [_view(model, shown, answer) for answer in (old[i], new[i])]
        apart = np.abs(views[0].astype(np.int16) - views[1].astype(np.int16)).max(axis=2)
        heat = cv2.applyColorMap(np.clip(apart * 3, 0, 255).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
        row = np.hstack([shown, *views, heat])
        score = f"{pictures[i].name}  {old[i].score:.3f} -> {new[i].score:.3f}"
        cv2.putText(row, score, (8, SIDE_PX - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
        rows.append(row)
    return np.vstack(rows)


def _header(*words: str) -> Pixels:
    bar = np.zeros((28, SIDE_PX * len(words), 3), np.uint8)
    for n, word in enumerate(words):
        at = (n * SIDE_PX + 8, 19)
        cv2.putText(bar, word, at, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
    return bar


def _small(picture: NDArray[np.uint8]) -> Pixels:
    return np.asarray(cv2.resize(picture, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA), np.uint8).copy()


def _view(model: str, shown: Pixels, answer: Answer) -> Pixels:
    """What a version made of it: the iris tinted green, or the enlarged picture; grey where there is nothing."""
    if answer.output is None:
        return np.full((SIDE_PX, SIDE_PX, 3), 96, np.uint8)
    if model != SEGMENTER:
        return _small(np.asarray(answer.output, np.uint8))
    disc = cv2.resize(answer.output.astype(np.float32), (SIDE_PX, SIDE_PX))[..., None]
    return np.asarray(shown * (1 - 0.6 * disc) + np.array([60, 220, 90]) * 0.6 * disc, np.uint8)
