"""The first retry comes soon, later ones are spread over minutes, and an outage's jobs do not come back at once."""

from collections import Counter

import pytest

from orchestrator.config import Settings
from orchestrator.errors import BadModelOutput, IrisvueError, ModelUnavailable, StoreUnavailable
from orchestrator.jobs.retries import MOST_S, most_failures, pause_s

SETTINGS = Settings()


def test_pauses_grow_up_to_ten_minutes() -> None:
    longest = [max(pause_s(SETTINGS, failures) for _ in range(2000)) for failures in range(8)]
    assert longest[0] <= SETTINGS.retry_delay_s, "the first comes soon"
    assert longest == sorted(longest[:5]) + longest[5:] and 0.95 * MOST_S < max(longest) <= MOST_S
    assert min(pause_s(SETTINGS, 7) for _ in range(2000)) < 0.05 * MOST_S, "full jitter: from nothing on"


@pytest.mark.parametrize(("error", "more"), [(ModelUnavailable(), True), (StoreUnavailable(), True)])
def test_outages_are_waited_for(error: IrisvueError, more: bool) -> None:
    assert (most_failures(SETTINGS, error) > most_failures(SETTINGS, BadModelOutput())) == more


def comes_back(outage_s: float) -> tuple[list[float], int]:
    """Of 10,000 jobs that an outage stops: when they are tried again after its end, and how many have failed."""
    back, failed = [], 0
    for number in range(10_000):
        at = number * outage_s / 10_000  # the first attempt
        for failures in range(SETTINGS.max_outages):
            if at > outage_s:
                back.append(at - outage_s)
                break
            at += pause_s(SETTINGS, failures)
        else:
            failed += 1
    return back, failed


def test_ten_thousand_jobs_come_back_spread_after_an_outage_of_two_minutes() -> None:
    back, failed = comes_back(120)
    a_second = Counter(int(at) for at in back)
    assert failed < 20
    assert max(a_second.values()) < 0.05 * len(back), "with a pause of two seconds all of them in two seconds"
    assert sorted(back)[len(back) // 2] < 120, "and half of them no later than the outage was long"
