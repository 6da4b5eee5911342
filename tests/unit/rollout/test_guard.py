"""The guard takes out a version that is worse, and leaves one that is as good."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from orchestrator.db.rollout import JobOutcome
from orchestrator.rollout.guard import verdict

START = datetime(2026, 1, 1, tzinfo=UTC)


def jobs(
    seed: int, count: int, every_s: float = 1.0, failing: float = 0.03, quality: float = 0.8, slower: float = 1.0
) -> list[JobOutcome]:
    """Ended jobs of one version: a share fails, the others have realistic scores and times."""
    rng = np.random.default_rng(seed)
    outcomes = []
    for n in range(count):
        at, failed = START + timedelta(seconds=(n + 1) * every_s), bool(rng.random() < failing)
        score = None if failed else float(np.clip(rng.normal(quality, 0.08), 0, 1))
        outcomes.append(JobOutcome(at, failed, score, None if failed else int(rng.lognormal(8, 0.4) * slower)))
    return outcomes


@pytest.mark.parametrize(
    ("worse", "words"),
    [
        ({"failing": 1.0}, "jobs failed"),
        ({"failing": 0.4}, "jobs failed"),
        ({"quality": 0.7}, "quality score"),
        ({"slower": 1.7}, "median time"),
    ],
)
def test_a_worse_version_is_taken_out_with_the_reason(worse: dict[str, float], words: str) -> None:
    for seed in range(5):
        judged = verdict(jobs(seed, 128, 10, **worse), jobs(seed + 50, 1280))
        assert judged and words in judged.reason and judged.p < 0.01


def test_a_version_that_always_fails_is_taken_out_at_the_first_look() -> None:
    assert verdict(jobs(0, 16, 10, failing=1.0), jobs(1, 160)) is not None
    assert verdict(jobs(0, 15, 10, failing=1.0), jobs(1, 160)) is None, "too few jobs to tell"


def test_a_version_as_good_as_the_other_stays() -> None:
    taken = sum(verdict(jobs(seed, 256, 10), jobs(seed + 9999, 2560)) is not None for seed in range(150))
    assert taken <= 5, "at a rate of 1 in 100, six of 150 have a chance of 1 in 400"


def test_a_version_that_is_hardly_worse_stays() -> None:
    assert verdict(jobs(1, 4096, 2, slower=1.1), jobs(2, 8192)) is None


def test_without_jobs_to_compare_with_there_is_no_verdict() -> None:
    assert verdict(jobs(0, 64, failing=1.0), []) is None
