"""Two one-sided tests for the guard: Fisher's exact test and Mann-Whitney's U.

They give the same p-values as `scipy.stats.fisher_exact` and `scipy.stats.mannwhitneyu` (a test compares them), so that
a server needs no SciPy.
"""

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Alternative = Literal["less", "greater"]
EXACT_UP_TO = 8  # values in the smaller sample, as in SciPy


def fisher_exact_greater(failed: int, total: int, failed_before: int, total_before: int) -> float:
    """Fisher's exact test: the probability that at least `failed` of `total` jobs fail if both arms fail equally often.

    This is the upper tail of the hypergeometric distribution, summed in whole numbers.

    Source: R. A. Fisher, "On the interpretation of χ² from contingency tables", J. R. Stat. Soc. 85 (1922).
    """
    failures, passes = failed + failed_before, total + total_before - failed - failed_before
    most = min(total, failures)
    term = math.comb(failures, failed) * math.comb(passes, total - failed)
    tail = term
    for k in range(failed, most):
        # From C(failures, k) · C(passes, total - k) to the same with k + 1; the division leaves no remainder.
        term = term * ((failures - k) * (total - k)) // ((k + 1) * (passes - total + k + 1))
        tail += term
    return tail / math.comb(failures + passes, total)


def mann_whitney(x: ArrayLike, y: ArrayLike, alternative: Alternative) -> float:
    """Mann-Whitney's U test: the probability that `x` is by chance as far below (or above) `y` as it is.

    Exact where one sample has at most 8 values and no two values are equal; otherwise the normal approximation with
    corrections for ties and for continuity. This is the choice of SciPy's `method="auto"`.

    Args:
        x: (N,) numbers, at least one, none of them NaN.
        y: (M,) numbers, likewise.
        alternative: whether `x` is suspected to be "less" or "greater" than `y`.

    Source: H. B. Mann and D. R. Whitney, "On a test of whether one of two random variables is stochastically larger
    than the other", Ann. Math. Stat. 18 (1947).
    """
    first, second = np.asarray(x, float), np.asarray(y, float)
    n, m = len(first), len(second)
    _, places, counts = np.unique(np.concatenate([first, second]), return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # equal values share the mean of their ranks
    u = float(ranks[places[:n]].sum()) - n * (n + 1) / 2
    if alternative == "less":
        u = n * m - u
    if min(n, m) <= EXACT_UP_TO and counts.max() == 1:
        return _exact_tail(round(u), n, m)
    return _normal_tail(u, n, m, counts)


def _normal_tail(u: float, n: int, m: int, counts: NDArray[np.int64]) -> float:
    """P(U ≥ u) of a normal distribution with the mean and the variance of U."""
    size = n + m
    ties = float((counts.astype(float) ** 3 - counts).sum())
    variance = n * m / 12 * (size + 1 - ties / (size * (size - 1)))
    if variance <= 0:
        return 1.0  # all values are equal
    z = (u - n * m / 2 - 0.5) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2)) / 2


def _exact_tail(u: int, n: int, m: int) -> float:
    """P(U ≥ u) over all orders of n + m different values.

    The distribution of U is symmetric, so this is P(U ≤ nm - u). The number of orders for each U is a coefficient of
    the Gaussian binomial, the product of (1 - q^(m+i)) / (1 - q^i) over i = 1 … n. Computed in whole numbers.
    """
    small, large = sorted((n, m))
    size = n * m - u + 1
    orders = np.zeros(size, object)
    orders[0] = 1
    for i in range(1, small + 1):
        orders[large + i :] -= orders[: max(0, size - large - i)].copy()
        rows = -(-size // i)
        padded = np.concatenate([orders, np.zeros(rows * i - size, object)])
        orders = np.cumsum(padded.reshape(rows, i), axis=0).ravel()[:size]
    return int(orders.sum()) / math.comb(n + m, small)
