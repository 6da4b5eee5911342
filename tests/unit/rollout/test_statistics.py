"""The guard's p-values are those of SciPy."""

import numpy as np
import pytest
from scipy import stats

from orchestrator.rollout.statistics import Alternative, fisher_exact_greater, mann_whitney

SEEDS = range(150)
ALTERNATIVES: tuple[Alternative, ...] = ("less", "greater")


def close(p: float, wanted: float) -> bool:
    """Equal to 1e-9, relative to the value: small p-values matter most."""
    return p == pytest.approx(wanted, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("largest", [3, 30, 2000])
def test_fisher_is_scipys(largest: int) -> None:
    rng = np.random.default_rng(largest)
    for _ in SEEDS:
        total, before = (int(n) for n in rng.integers(1, largest + 1, 2))
        failed, failed_before = int(rng.integers(0, total + 1)), int(rng.integers(0, before + 1))
        table = [[failed, total - failed], [failed_before, before - failed_before]]
        wanted = float(stats.fisher_exact(table, alternative="greater").pvalue)
        assert close(fisher_exact_greater(failed, total, failed_before, before), wanted), table


@pytest.mark.parametrize("alternative", ALTERNATIVES)
@pytest.mark.parametrize("levels", [None, 3, 40])
def test_mann_whitney_is_scipys_with_ties_and_without(alternative: Alternative, levels: int | None) -> None:
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        x, y = (rng.normal(shift, 1, rng.integers(1, 40)) for shift in (0.0, rng.normal()))
        if levels:
            x, y = (np.round(values * levels / 4) for values in (x, y))
        wanted = float(stats.mannwhitneyu(x, y, alternative=alternative).pvalue)
        assert close(mann_whitney(x, y, alternative), wanted), (seed, len(x), len(y))


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_mann_whitney_is_scipys_for_arms_of_a_long_trial(alternative: Alternative) -> None:
    rng = np.random.default_rng(0)
    quality = np.clip(rng.normal(0.8, 0.2, 4000), 0, 1), np.clip(rng.normal(0.79, 0.2, 16_000), 0, 1)
    times = rng.lognormal(8, 0.4, 4000).astype(int), rng.lognormal(8.01, 0.4, 16_000).astype(int)
    for x, y in (quality, times):
        wanted = float(stats.mannwhitneyu(x, y, alternative=alternative).pvalue)
        assert close(mann_whitney(x, y, alternative), wanted)


def test_eight_values_beside_thousands_are_exact() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(0, 1, 8), rng.normal(1, 1, 20_000)
    below, above = mann_whitney(x, y, "less"), mann_whitney(x, y, "greater")
    normal = stats.mannwhitneyu(x, y, alternative="less", method="asymptotic").pvalue
    assert below == pytest.approx(float(normal), abs=2e-3)
    assert 1 < below + above < 1 + 1e-3, "both count the orders with exactly this U"


def test_equal_values_are_no_difference() -> None:
    assert mann_whitney([1, 1, 1], [1, 1], "less") == 1.0
    assert fisher_exact_greater(0, 16, 0, 160) == fisher_exact_greater(16, 16, 160, 160) == 1.0
