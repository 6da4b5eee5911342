"""The order of the queue, for any sequence of arrivals."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.queue import HEAD_START, stands_at

START = datetime(2026, 1, 1, tzinfo=UTC)
GAP_S = (HEAD_START["interactive"] - HEAD_START["background"]).total_seconds()
ARRIVALS = st.lists(st.tuples(st.sampled_from(["interactive", "background"]), st.floats(0.001, 40)), max_size=60)


@given(ARRIVALS)
def test_the_queue_is_fair(arrivals: list[tuple[str, float]]) -> None:
    clock, jobs = START, []
    for number, (priority, pause) in enumerate(arrivals):
        clock += timedelta(seconds=pause)
        jobs.append((number, priority, clock))
    queue = sorted(jobs, key=lambda job: stands_at(job[1], job[2]))
    place = {job[0]: n for n, job in enumerate(queue)}
    for number, priority, arrived in jobs:
        for other, other_priority, later in jobs[number + 1 :]:
            apart_s = (later - arrived).total_seconds()
            if priority == other_priority or priority == "interactive":
                assert place[number] < place[other], "first come, first served among equals; interactive before"
            elif abs(apart_s - GAP_S) > 1e-3:
                assert (place[other] < place[number]) == (apart_s < GAP_S), (
                    "may be overtaken for half a minute, then never"
                )


@given(
    st.sampled_from(["interactive", "background"]), st.datetimes(timezones=st.just(UTC)).filter(lambda d: d.year > 2)
)
def test_no_job_is_queued_in_the_future(priority: str, arrived: datetime) -> None:
    assert stands_at(priority, arrived) <= arrived - timedelta(hours=23)
