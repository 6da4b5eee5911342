"""The time that is left, from recent jobs and the progress of those in hand."""

import time

import pytest

from orchestrator.db.line import JobInHand, RecentJob
from orchestrator.jobs.estimates import NOTHING, Estimate, learn, of_place

STEPS = {"loading": 1000, "segmenting": 3000, "removing_reflections": 1000, "enhancing": 4000, "saving": 1000}
RECENT = [RecentJob(10.0, STEPS, 100), RecentJob(10.0, STEPS, 300), RecentJob(4.0, None, 0)]


def test_nothing_is_known_before_a_job_has_completed() -> None:
    assert learn([RecentJob(4.0, None, 0)], [JobInHand(50)]) is None
    assert of_place(None, 3) == Estimate(3, None) and NOTHING == Estimate(None, None)


@pytest.mark.parametrize(("progress", "left_s"), [(0, 10), (10, 9), (25, 7.5), (40, 6), (60, 5), (75, 3), (95, 0.5)])
def test_what_a_job_in_hand_still_takes(progress: int, left_s: float) -> None:
    pace = learn(RECENT, [])
    assert pace and pace.left_s(progress) == pytest.approx(left_s)


@pytest.mark.parametrize(
    ("progress", "taken_s", "left_s"), [(60, 5, 5), (60, 13, 10), (60, 1, 2.5), (10, 1, 9), (60, 1000, 20), (100, 9, 0)]
)
def test_a_job_goes_on_at_the_pace_that_it_had(progress: int, taken_s: float, left_s: float) -> None:
    pace = learn(RECENT, [JobInHand(progress, taken_s)])
    assert pace and pace.left_s(progress, taken_s) == pytest.approx(left_s) == pace.free_s[0]


@pytest.mark.parametrize(("result_px", "left_s"), [(200, 6), (400, 11), (100, 3.5), (None, 6)])
def test_a_large_iris_takes_longer_once_it_is_found(result_px: int | None, left_s: float) -> None:
    pace = learn(RECENT, [])
    assert pace and pace.left_s(40, None, result_px) == pytest.approx(left_s)


def test_those_who_wait_take_the_places_as_they_become_free() -> None:
    pace = learn(RECENT, [JobInHand(75), JobInHand(10)])
    assert pace and pace.at == pytest.approx(time.time(), abs=5)
    assert pace.free_s == pytest.approx([3, 9]) and pace.turn_s == 8 and pace.job_s == 10
    etas = [of_place(pace, place).eta_s for place in (1, 2, 3, 4)]
    assert etas == pytest.approx([13, 19, 21, 27], abs=0.5)
    assert of_place(pace, None).eta_s == pytest.approx(10), "a worker is about to begin it"


def test_no_time_is_promised_while_nobody_works() -> None:
    pace = learn(RECENT, [])
    assert of_place(pace, 1) == Estimate(1, None)
