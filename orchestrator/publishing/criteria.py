"""What is compared of a candidate and the version in use, in words, and the rows that every comparison has."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from orchestrator.publishing.answers import Answer
from orchestrator.publishing.golden import GoldenPicture

WORST = 5  # pictures on the contact sheet
PROBLEMS = 3  # that are named
ANSWERED = "pictures answered"


@dataclass(frozen=True)
class Criterion:
    """One thing that was compared, in words. If it is not `good`, the candidate is not published.

    `why` is what goes wrong for people where it is not met.
    """

    name: str
    candidate: str
    in_use: str
    wanted: str
    good: bool
    why: str = ""


@dataclass(frozen=True)
class Shown:
    """A picture for the contact sheet, by its index, and what is to be seen on it."""

    index: int
    caption: str


@dataclass(frozen=True)
class Comparison:
    """All criteria, the candidate's scores for its row, and the pictures that differ most."""

    criteria: tuple[Criterion, ...]
    scores: dict[str, float]
    worst: tuple[Shown, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the candidate may be published."""
        return all(criterion.good for criterion in self.criteria)

    @property
    def answered(self) -> bool:
        """Whether the candidate answered to every picture, however well."""
        return all(criterion.good for criterion in self.criteria if criterion.name == ANSWERED)


def all_answered(new: Sequence[Answer], old: Sequence[Answer]) -> Criterion:
    """Whether the candidate answered to every picture."""
    answered = sum(answer.problem is None for answer in new)
    words = f"{answered} of {len(new)}", f"{len(old)}"
    return Criterion(ANSWERED, *words, "all", answered == len(new), "a tile without an answer fails its job")


def median_time(new: Sequence[Answer], old: Sequence[Answer], slower: float) -> Criterion:
    """Whether a call takes at most `slower` times as long, on the server itself."""
    ms, ms_before = median_ms(new), median_ms(old)
    words = f"{ms:.1f} ms", f"{ms_before:.1f} ms", f"at most × {slower:g}"
    return Criterion("median time", *words, ms <= ms_before * slower, "measured on the server that will serve it")


def problem_rows(pictures: Sequence[GoldenPicture], new: Sequence[Answer]) -> list[Criterion]:
    """A row for each of the first pictures that got no answer."""
    named = [f"{p.name}: {a.problem}" for p, a in zip(pictures, new, strict=True) if a.problem]
    return [Criterion("problem", words, "", "none", False) for words in named[:PROBLEMS]]


def median_ms(answers: Sequence[Answer]) -> float:
    """The median time of a call; NaN where there was no answer."""
    times = [answer.seconds * 1000 for answer in answers if answer.problem is None]
    return round(float(np.median(times)), 2) if times else float("nan")


def differences(new: Sequence[Answer], old: Sequence[Answer]) -> list[float]:
    """The mean absolute difference of the two outputs, by picture; infinite without an answer."""
    return [_difference(a, b) for a, b in zip(new, old, strict=True)]


def _difference(one: Answer, other: Answer) -> float:
    if one.output is None or other.output is None:
        return float("inf")
    return float(np.abs(one.output.astype(np.float32) - other.output.astype(np.float32)).mean())


def worst_first(apart: Sequence[float]) -> list[int]:
    """The pictures on which the two differ most, by index."""
    return [int(i) for i in np.argsort(-np.array(apart), kind="stable")[:WORST]]


def caption(name: str, measured: Sequence[tuple[str, bool]]) -> str:
    """A picture's name and what was measured on it, with an exclamation mark on what is not good; ASCII."""
    return f"{name}: " + ", ".join(words if good else f"{words} (!)" for words, good in measured)
