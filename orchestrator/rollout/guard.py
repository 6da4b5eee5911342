"""Takes a new version out of its route when it is significantly worse than the one it runs beside.

Each job draws its version by lot (a hash of its id), so the jobs of two versions differ in nothing else. The guard
looks when 16, 32, 64, … jobs of the new version have ended. It compares exactly these jobs with those that the other
version ended in the same time, by three one-sided tests: failures (Fisher's exact test), quality score and processing
time (Mann-Whitney's U). Look number k may spend ERROR_RATE / 2^k, a third on each test. So a version that is as good as
the other is taken out with a probability below ERROR_RATE, however long the trial lasts. A difference that is
significant but within `Margins` is tolerated. `python -m benchmarks guard` simulates both kinds of error.
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
from orchestrator.rollout.statistics import fisher_exact_greater, mann_whitney
from orchestrator.services import Services

ERROR_RATE = 0.01
FIRST_LOOK = 16  # jobs of the new version; each further look comes at twice as many
MIN_VALUES = FIRST_LOOK // 2  # scores or times in each arm, to be compared at all

Arm = Sequence[JobOutcome]
"""Jobs that one version has ended."""


@dataclass(frozen=True)
class Margins:
    """How much worse is tolerated: share of failures, quality score (0–1), and the factor of the median time."""

    failures: float = 0.02
    quality: float = 0.02
    time: float = 1.2


@dataclass(frozen=True)
class Verdict:
    """Why a version is taken out, in words, and the probability of this by chance."""

    reason: str
    p: float


def verdict(new: Arm, old: Arm, margins: Margins | None = None) -> Verdict | None:
    """Judge the new version by its ended jobs, in the order in which they ended, beside those of the old one."""
    for look in count(1):
        size = FIRST_LOOK * 2 ** (look - 1)
        if len(new) < size:
            return None
        arm = new[:size]
        beside = [outcome for outcome in old if outcome.at <= arm[-1].at]
        if worse := _compare_arms(arm, beside, ERROR_RATE / 2**look / 3, margins or Margins()):
            return worse
    return None


def _compare_arms(new: Arm, old: Arm, alpha: float, margins: Margins) -> Verdict | None:
    """One look, with three tests at level `alpha` each."""
    if not old:
        return None
    how = new, old, alpha, margins
    return _compare_failures(*how) or _compare_quality(*how) or _compare_times(*how)


def _compare_failures(new: Arm, old: Arm, alpha: float, margins: Margins) -> Verdict | None:
    failed, before = sum(o.failed for o in new), sum(o.failed for o in old)
    p = fisher_exact_greater(failed, len(new), before, len(old))
    if p < alpha and failed / len(new) - before / len(old) > margins.failures:
        return Verdict(f"{failed} of {len(new)} jobs failed, {before} of {len(old)} with the other", p)
    return None


def _compare_quality(new: Arm, old: Arm, alpha: float, margins: Margins) -> Verdict | None:
    scores, before = ([o.quality for o in arm if o.quality is not None] for arm in (new, old))
    if min(len(scores), len(before)) < MIN_VALUES:
        return None
    p, median, median_before = mann_whitney(scores, before, "less"), float(np.median(scores)), float(np.median(before))
    if p < alpha and median_before - median > margins.quality:
        return Verdict(f"median quality score {median:.2f}, {median_before:.2f} with the other", p)
    return None


def _compare_times(new: Arm, old: Arm, alpha: float, margins: Margins) -> Verdict | None:
    times, before = ([o.ms for o in arm if o.ms is not None] for arm in (new, old))
    if min(len(times), len(before)) < MIN_VALUES:
        return None
    p, median, median_before = mann_whitney(times, before, "greater"), float(np.median(times)), float(np.median(before))
    if p < alpha and median > median_before * margins.time:
        return Verdict(f"median time {median:.0f} ms, {median_before:.0f} ms with the other", p)
    return None


async def guard(services: Services) -> list[str]:
    """One round over all routes with a version on trial; returns what was taken out. Several may run at once."""
    taken_out = []
    async with services.db() as session:
        trials = [route for route in (await db.rollout.current_routes(session)).values() if len(route.shares) > 1]
    for route in trials:
        for version in sorted(set(route.shares) - {route.baseline}, key=int):
            if worse := await _check_trial(services, route, version):
                taken_out.append(f"{route.name} {version}: {worse.reason}")
                break  # the route has changed: the next round looks at the new one
    return taken_out


async def _check_trial(services: Services, route: ModelRoute, version: str) -> Verdict | None:
    """Take the version out of the route if it is worse; None where it stays, or another guard was faster."""
    async with services.db() as session:
        new, old = [await db.rollout.job_outcomes(session, route, v) for v in (version, route.baseline)]
    worse = verdict(new, old)
    if worse is None:
        return None
    remaining = {v: share for v, share in route.shares.items() if v != version}
    remaining[route.baseline] += route.shares[version]
    reason = f"guard took out {version}: {worse.reason} (p = {worse.p:.1e})"
    if await routing.replace_route(services, route, routing.Shares(remaining), "guard", reason):
        TAKEN_OUT.labels(route.name).inc()
        log.error("version taken out", model=route.name, version=version, reason=worse.reason, p=worse.p)
        return worse
    return None
