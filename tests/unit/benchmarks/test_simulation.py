"""The capacity model's queues agree with queueing theory, and the page in the docs with its figures."""

import random

import pytest

from benchmarks.capacity import PAGE, RESULTS
from benchmarks.cluster import page
from benchmarks.simulation import Costs, Site, erlang_c, percentile, simulate

ONE_STEP = {"look": 0.0, "looks": 0, "between": 0.0, "tile": 0.0, "tiles": 0, "after": 0.0}


def poisson(rate: float, count: int, seed: int = 1) -> list[float]:
    rng, now, arrivals = random.Random(seed), 0.0, []
    for _ in range(count):
        now += rng.expovariate(rate)
        arrivals.append(now)
    return arrivals


def test_a_single_photo_takes_the_sum_of_its_costs() -> None:
    costs = Costs(before=0.2, look=0.1, looks=3, between=0.1, tile=0.4, tiles=4, after=0.3)
    alone = simulate(Site(cores=2, slots=2), costs, [0.0]).seconds
    assert alone == [pytest.approx(0.2 + 3 * 0.05 + 0.1 + 4 * 0.2 + 0.3)], (
        "calls to the models use both cores, our own work one"
    )


def test_processor_sharing() -> None:
    """M/D/1 with processor sharing: the mean time is the demand / (1 - load), whatever the distribution."""
    result = simulate(Site(cores=1, slots=10**6), Costs(before=1.0, **ONE_STEP), poisson(0.7, 40_000))  # type: ignore[arg-type]
    assert sum(result.seconds) / len(result.seconds) == pytest.approx(1 / (1 - 0.7), rel=0.1)
    assert result.utilisation == pytest.approx(0.7, rel=0.03)


def test_a_queue_before_servers() -> None:
    """M/D/c waits about half as long as M/M/c, which Erlang's formula gives (Cosmetatos)."""
    servers, rate = 4, 3.2
    site = Site(cores=10**6, slots=10**6, gpus=servers, gpu_photo=1.0)
    result = simulate(site, Costs(before=0.0, **ONE_STEP), poisson(rate, 60_000))  # type: ignore[arg-type]
    waited = sum(result.seconds) / len(result.seconds) - 1.0
    exponential = erlang_c(servers, rate) / (servers - rate)
    assert 0.45 * exponential < waited < 0.65 * exponential


def test_erlangs_formula() -> None:
    assert erlang_c(1, 0.5) == pytest.approx(0.5), "M/M/1: a job waits where the server is busy"
    assert erlang_c(10, 8.0) == pytest.approx(0.409, abs=0.001), "from tables"


def test_a_worker_holds_as_many_jobs_as_it_has_slots() -> None:
    costs = Costs(before=1.0, **ONE_STEP)  # type: ignore[arg-type]
    seconds = simulate(Site(cores=8, slots=2), costs, [0.0] * 6).seconds
    assert seconds == [pytest.approx(n) for n in (1, 1, 2, 2, 3, 3)]


def test_more_load_is_never_faster() -> None:
    costs = Costs(before=0.1, look=0.05, looks=2, between=0.1, tile=0.1, tiles=4, after=0.1)
    slow = [percentile(simulate(Site(2, 2), costs, poisson(rate, 2_000)).seconds, 0.95) for rate in (0.5, 1.0, 1.6)]
    assert slow == sorted(slow)


def test_the_page_holds_the_measured_figures() -> None:
    assert PAGE.read_text() == page(RESULTS), "run: python -m benchmarks.capacity page"
