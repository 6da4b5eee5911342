"""Which changes of a job's status are allowed."""

from orchestrator.db.job_states import ENDED, TRANSITIONS, JobStatus, states_before


def test_ended_jobs_never_change() -> None:
    assert all(TRANSITIONS[state] == () for state in ENDED)


def test_every_status_is_reachable() -> None:
    assert set(TRANSITIONS) == set(JobStatus)
    reachable, waiting = set(), [JobStatus.PENDING]
    while waiting:
        state = waiting.pop()
        if state not in reachable:
            reachable.add(state)
            waiting += TRANSITIONS[state]
    assert reachable == set(JobStatus)


def test_only_a_running_job_completes() -> None:
    assert states_before(JobStatus.COMPLETED) == [JobStatus.PROCESSING]
