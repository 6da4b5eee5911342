"""For workers: claiming, ending and handing back a job. Every write is fenced by the number of the attempt."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tenacity import RetryCallState, retry, retry_if_exception_type, stop_after_attempt, wait_exponential

from orchestrator import db
from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Job, Photo
from orchestrator.errors import IrisvueError, VersionGone, words_for_people
from orchestrator.jobs import announce, ending, retries, submission
from orchestrator.observability.logs import log
from orchestrator.observability.metrics import JOBS_ENDED, JOBS_RETRIED
from orchestrator.pipeline.steps import COMPLETE
from orchestrator.rollout import routing
from orchestrator.services import Services


def _log_retry(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("final write not done yet", attempt=state.attempt_number, error=type(error).__name__)


# A result is worth a few seconds of waiting for a database that restarts.
final_write = retry(
    retry=retry_if_exception_type(db.UNAVAILABLE),
    wait=wait_exponential(multiplier=0.1, max=2.0),
    stop=stop_after_attempt(6),
    before_sleep=_log_retry,
    reraise=True,
)


@dataclass(frozen=True)
class Claim:
    """A job that this process may work on until its lease runs out; `attempt` goes with every write."""

    job: Job
    photo: Photo
    shadows: Mapping[str, str] = field(default_factory=dict)  # model → version to run beside the job's own

    @property
    def versions(self) -> dict[str, str]:
        """The version of each model that serves the job."""
        return self.job.model_versions or {}

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self.job.attempt


async def claim(services: Services, job_id: UUID, newest: Mapping[str, str]) -> Claim | None:
    """Take a pending job; None where another worker has it, or it has ended or been deleted.

    The first attempt decides which versions of the models serve the job. `newest` names the version to use for models
    without a route.
    """
    async with db.autocommit(services.db) as session:
        routes = await db.rollout.current_routes(session)
        versions = routing.versions_for(job_id, routes, newest)
        claimed = await db.jobs.claim(session, job_id, services.settings.lease_s, versions)
    shadows = {name: route.shadow for name, route in routes.items() if route.shadow}
    return Claim(*claimed, shadows) if claimed else None


@final_write
async def complete(
    services: Services, claim: Claim, other_eye: tuple[float, float] | None = None, **columns: Any
) -> Job | None:
    """End the job as completed, then publish the last event; None if the claim is no longer valid.

    With `other_eye`, where another eye is, the same transaction adds a job for that.
    """
    columns |= {"progress": 100, "current_step": COMPLETE}
    return await _end(services, claim, JobStatus.COMPLETED, other_eye=other_eye, **columns)


@final_write
async def fail(services: Services, claim: Claim, error: IrisvueError, progress: int | None = None) -> bool:
    """End the job as failed, or make it pending for a later attempt. Returns whether this ended it.

    `progress` is how far the attempt has come, which its row may not say yet.
    """
    settings = services.settings
    if error.retryable:
        async with db.autocommit(services.db) as session:
            retried = await db.jobs.retry_later(
                session,
                claim.job.id,
                claim.attempt,
                retries.most_failures(settings, error),
                retries.pause_s(settings, claim.job.failures),
                other_versions=isinstance(error, VersionGone),
            )
        if retried:
            JOBS_RETRIED.labels(error.error_type).inc()
            return False
    columns: dict[str, Any] = failure_columns(error) | ({} if progress is None else {"progress": progress})
    return await _end(services, claim, JobStatus.FAILED, **columns) is not None


def failure_columns(error: IrisvueError) -> dict[str, str]:
    """What a failed job's row says about its error."""
    return {
        "error_type": error.error_type,
        "error_code": error.code,
        "error_message": words_for_people(error),
        "suggestion": error.suggestion,
    }


async def _end(
    services: Services, claim: Claim, status: JobStatus, *, other_eye: tuple[float, float] | None = None, **columns: Any
) -> Job | None:
    other: Job | None = None
    async with services.db.begin() as session:
        job = await db.jobs.end(session, claim.job.id, claim.attempt, status, **columns)
        if job is not None:
            if other_eye:
                other = await db.jobs.add_job_for_other_eye(session, job, other_eye)
            await ending.record(session, services.settings, job)
        else:  # perhaps an earlier try was committed, and only the answer to it was lost
            job = await db.jobs.ended_by(session, claim.job.id, claim.attempt, status)
    if job is not None:
        JOBS_ENDED.labels(status.value, job.error_type or "").inc()
        await announce.publish_last(services, job)
    if other:
        await submission.enqueue(services, [other])
    return job


@final_write
async def hand_back(services: Services, claim: Claim) -> None:
    """Make the job pending again and enqueue its next attempt; nothing if the claim is no longer valid."""
    async with db.autocommit(services.db) as session:
        held = await db.jobs.hand_back(session, claim.job.id, claim.attempt)
    if held:
        await submission.enqueue(services, [claim.job], to_the_front=True)
