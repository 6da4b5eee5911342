"""Takes a new version out of its route when it is significantly worse than the one it runs beside.

Each job's version is drawn by lot (a hash of its id), so the jobs of two versions differ by nothing else. The guard
looks when the new version has ended 16, 32, 64, … jobs, at exactly these jobs and those that the other version ended in
the same time, with three one-sided tests: failures (Fisher's exact test), quality score and processing time
(Mann-Whitney's U). Look number k may spend ERROR_RATE / 2^k, a third on each test, so a version that is as good as the
other is taken out with a probability under ERROR_RATE, however long the trial goes on. What is significant but smaller
than `Worse` says is let pass. `benchmarks/guard.py` simulates both kinds of error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from orchestrator import db
from orchestrator.db.rollout import JobOutcome
from orchestrator.db.tables import ModelRoute
from orchestrator.observability.logs import log
from orchestrator.observability.metrics import TAKEN_OUT
from orchestrator.rollout import routing
from orchestrator.services import Services

ERROR_RATE = 0.01
FIRST_LOOK = 16  # jobs of the new version; the looks that follow come at twice as many each


@dataclass(frozen=True)
class Margins:
    """How much worse is too much: share of failures, quality score (0–1), and the factor of the median time."""

    failures: float = 0.02
    quality: float = 0.02
    time: float = 1.2


@dataclass(frozen=True)
class Verdict:
    """Why a version has to go, in words, and how likely that was by chance."""

    reason: str
    p: float


def verdict(new: Sequence[JobOutcome], old: Sequence[JobOutcome], worse: Margins | None = None) -> Verdict | None:
    """Judge the new version by its ended jobs, in the order in which they ended, beside those of the old one."""
    for look in count(1):
        size = FIRST_LOOK * 2 ** (look - 1)
        if len(new) < size:
            return None
        seen = new[:size]
        beside = [outcome for outcome in old if outcome.at <= seen[-1].at]
        if found := _compare_arms(seen, beside, ERROR_RATE / 2**look / 3, worse or Margins()):
            return found
    return None


def _compare_arms(new: Sequence[JobOutcome], old: Sequence[JobOutcome], alpha: float, worse: Margins) -> Verdict | None:
    """One look, with three tests at level `alpha` each."""
    from scipy import stats  # a third of a second, which only a trial has to pay

    failed, before = sum(o.failed for o in new), sum(o.failed for o in old)
    if not old:
        return None
    table = [[failed, len(new) - failed], [before, len(old) - before]]
    p = float(stats.fisher_exact(table, alternative="greater").pvalue)
    if p < alpha and failed / len(new) - before / len(old) > worse.failures:
        return Verdict(f"{failed} of {len(new)} jobs failed, {before} of {len(old)} with the other", p)
    quality = [np.array([o.quality for o in arm if o.quality is not None]) for arm in (new, old)]
    times = [np.array([o.ms for o in arm if o.ms is not None]) for arm in (new, old)]
    if min(len(q) for q in quality) >= FIRST_LOOK // 2:
        p = float(stats.mannwhitneyu(*quality, alternative="less").pvalue)
        got, had = (float(np.median(q)) for q in quality)
        if p < alpha and had - got > worse.quality:
            return Verdict(f"median quality score {got:.2f}, {had:.2f} with the other", p)
    if min(len(t) for t in times) >= FIRST_LOOK // 2:
        p = float(stats.mannwhitneyu(*times, alternative="greater").pvalue)
        got, had = (float(np.median(t)) for t in times)
        if p < alpha and got > had * worse.time:
            return Verdict(f"median time {got:.0f} ms, {had:.0f} ms with the other", p)
    return None


async def guard(services: Services) -> list[str]:
    """One round over all routes that try a version; returns what was taken out. Any number may run at once."""
    taken = []
    async with services.db() as session:
        trials = [route for route in (await db.rollout.current_routes(session)).values() if len(route.shares) > 1]
    for route in trials:
        for version in sorted(set(route.shares) - {route.baseline}, key=int):
            if found := await _check_trial(services, route, version):
                taken.append(f"{route.name} {version}: {found.reason}")
                break  # the route has changed: the next round looks at the new one
    return taken


async def _check_trial(services: Services, route: ModelRoute, version: str) -> Verdict | None:
    async with services.db() as session:
        new, old = [await db.rollout.job_outcomes(session, route, v) for v in (version, route.baseline)]
    found = verdict(new, old)
    if found is None:
        return None
    left = {v: share for v, share in route.shares.items() if v != version}
    left[route.baseline] += route.shares[version]
    reason = f"guard took out {version}: {found.reason} (p = {found.p:.1e})"
    if await routing.replace(services, route, routing.Shares(left), "guard", reason):
        TAKEN_OUT.labels(route.name).inc()
        log.error("version taken out", model=route.name, version=version, reason=found.reason, p=found.p)
        return found
    return None
