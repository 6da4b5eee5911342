"""The states of a job, and the changes between them that are allowed."""

from enum import StrEnum


class JobStatus(StrEnum):
    """Where a job stands."""

    PENDING = "pending"  # accepted and committed; no worker has it
    PROCESSING = "processing"  # a worker holds its lease
    COMPLETED = "completed"  # the result is in the object store
    FAILED = "failed"  # ended with an error_type and a sentence for the user
    CANCELLED = "cancelled"  # ended by the user, or with its photo


ENDED = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)

# processing → pending: a retry, a worker that hands back as it stops, or the sweeper after a lease ran out.
TRANSITIONS: dict[JobStatus, tuple[JobStatus, ...]] = {
    JobStatus.PENDING: (JobStatus.PROCESSING, JobStatus.FAILED, JobStatus.CANCELLED),
    JobStatus.PROCESSING: (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.PENDING),
    JobStatus.COMPLETED: (),
    JobStatus.FAILED: (),
    JobStatus.CANCELLED: (),
}


def states_before(target: JobStatus) -> list[JobStatus]:
    """The states from which a job may go to `target`; conditional UPDATEs name them."""
    return [state for state, following in TRANSITIONS.items() if target in following]
