"""Holding a job and ending it: what workers and the sweeper do. Every write is fenced by the attempt's number."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from orchestrator import db
from orchestrator.db.tables import Job, JobStatus, Photo
from orchestrator.errors import IrisvueError, VersionGone, words_for_people
from orchestrator.jobs import announce, submission
from orchestrator.notifications import outbox
from orchestrator.observability.metrics import JOBS_ENDED, JOBS_RETRIED
from orchestrator.pipeline.run import COMPLETE
from orchestrator.rollout import routing
from orchestrator.services import Services


@dataclass(frozen=True)
class Claim:
    """A job that this process may work on until its lease runs out; `attempt` goes with every write."""

    job: Job
    photo: Photo
    shadows: Mapping[str, str] = field(default_factory=dict)  # versions to run beside, by model

    @property
    def versions(self) -> dict[str, str]:
        """The version of each model that serves the job."""
        return self.job.model_versions or {}

    @property
    def attempt(self) -> int:
        """The number of this attempt, from 1."""
        return self.job.attempt


async def claim(services: Services, job_id: UUID, newest: Mapping[str, str]) -> Claim | None:
    """Take the job if it is waiting; None if somebody else has it, or it has ended or gone.

    Its first attempt settles which versions of the models serve it; `newest` those of models without a route.
    """
    async with services.db.begin() as session:
        routed = await db.rollout.current_routes(session)
        versions = routing.versions_for(job_id, routed, newest)
        found = await db.jobs.claim(session, job_id, services.settings.lease_s, versions)
    shadows = {name: route.shadow for name, route in routed.items() if route.shadow}
    return Claim(*found, shadows) if found else None


async def complete(services: Services, mine: Claim, **values: Any) -> Job | None:
    """The final write of a success, then the last event; None if the job is no longer ours."""
    return await _end(services, mine, JobStatus.COMPLETED, progress=100, current_step=COMPLETE, **values)


async def fail(services: Services, mine: Claim, error: IrisvueError) -> bool:
    """End the job as failed, or make it pending for one more attempt a little later. Returns whether it ended here."""
    settings = services.settings
    if error.retryable:
        async with services.db.begin() as session:
            limits = settings.max_failures, settings.retry_delay_s
            gone = isinstance(error, VersionGone)
            again = await db.jobs.retry_later(session, mine.job.id, mine.attempt, *limits, other_versions=gone)
        if again:
            JOBS_RETRIED.labels(error.error_type).inc()
            return False
    return await _end(services, mine, JobStatus.FAILED, **_in_words(error)) is not None


def _in_words(error: IrisvueError) -> dict[str, str]:
    words = words_for_people(error)
    return {"error_type": error.error_type, "error_message": words, "suggestion": error.suggestion}


async def _end(services: Services, mine: Claim, status: JobStatus, **values: Any) -> Job | None:
    async with services.db.begin() as session:
        job = await db.jobs.end(session, mine.job.id, mine.attempt, status, **values)
        if job is not None:
            await outbox.record(session, job)
        else:  # unless the same write got through before, and only its answer was lost
            job = await db.jobs.ended_by(session, mine.job.id, mine.attempt, status)
    if job is not None:
        JOBS_ENDED.labels(status.value, job.error_type or "").inc()
        await announce.publish(services, job, await announce.current_message(services, job), patient=True)
    return job


async def hand_back(services: Services, mine: Claim) -> None:
    """Make the job pending again and put its next attempt in line; nothing if it is no longer ours."""
    async with services.db.begin() as session:
        ours = await db.jobs.hand_back(session, mine.job.id, mine.attempt)
    if ours:
        await submission.enqueue(services, mine.job)


async def has_no_owner(services: Services, job_id: UUID) -> bool:
    """Whether nothing that this job saved may stay: it is gone, cancelled or failed."""
    async with services.db() as session:
        job = await session.get(Job, job_id)
    return job is None or job.status in (JobStatus.CANCELLED, JobStatus.FAILED)
