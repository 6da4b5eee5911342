"""One attempt of one job, from the claim to its end, a retry or a hand-back."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from typing import Any
from uuid import UUID

from orchestrator import db
from orchestrator.errors import DatabaseUnavailable, Fenced, ModelUnavailable, classify
from orchestrator.jobs import cancellation, estimates, lease
from orchestrator.jobs.lease import Claim
from orchestrator.jobs.submission import detail_of, hint_of
from orchestrator.observability import tracing
from orchestrator.observability.logs import log
from orchestrator.observability.metrics import WAIT_SECONDS
from orchestrator.pipeline.run import run
from orchestrator.services import Services
from orchestrator.worker import results
from orchestrator.worker.context import Context
from orchestrator.worker.lease_keeper import kept_lease
from orchestrator.worker.reporter import Reporter
from orchestrator.worker.shadow import PrimaryRun, run_shadows


async def process(ctx: dict[str, Any], job_id: str) -> None:
    """The function that arq calls: claim the job, run one attempt of it, then its shadows."""
    context: Context = ctx["context"]
    await context.wait_for_models(ctx["job_id"])
    claim = await _claimed(context, UUID(job_id))
    if claim is None:
        return
    if claim.attempt == 1 and claim.job.started_at:
        WAIT_SECONDS.observe(max((claim.job.started_at - claim.job.created_at).total_seconds(), 0.0))
    with context.in_hand(claim.job.id):
        ids = {"irisvue.job_id": job_id, "irisvue.attempt": claim.attempt}
        with tracing.span_after(claim.job.trace, "job", **ids):
            primary = await attempt(context, claim)
        if primary and claim.shadows:
            await run_shadows(context, claim, primary)


async def _claimed(context: Context, job_id: UUID) -> Claim | None:
    """The claim of a job; a worker that is stopped while it asks hands back what it was given."""
    asking = asyncio.ensure_future(lease.claim(context.services, job_id, context.infer.versions))
    try:
        return await asyncio.shield(asking)
    except asyncio.CancelledError:
        if claim := await asking:
            with _or_left_to_the_sweeper(claim):
                await asyncio.shield(_hand_back(context.services, claim))
        raise


async def attempt(context: Context, claim: Claim) -> PrimaryRun | None:
    """Run the pipeline for a claimed job and save the result; however it ends, the job's row and objects say so.

    Returns the run that became the job's result, or None.
    """
    services, job = context.services, claim.job
    infer = context.infer.pinned(claim.versions, background=job.priority == "background")
    started, report = time.perf_counter(), Reporter(services, claim)
    try:
        async with asyncio.timeout(services.settings.job_timeout_s), kept_lease(services, claim):
            with closing(report):
                report.pace = await estimates.current(services)
                photo = await services.storage.get(claim.photo.object_key)
                show_preview = partial(results.save_preview, services, claim, report) if job.preview else None
                result = await run(
                    photo, infer, context.decoder, context.budget, report, show_preview, hint_of(job), detail_of(job)
                )
                await results.save(services, claim, report, result, started=started, provider=infer.provider)
                return PrimaryRun(photo, result)
    except asyncio.CancelledError:
        if job.id not in context.stopped:
            await asyncio.shield(_hand_back(services, claim))
            raise
        await asyncio.shield(_release(services, claim))
    except Fenced:
        await _release(services, claim)
    except Exception as error:
        await _fail(context, claim, error, report.percent)
    return None


@contextmanager
def _or_left_to_the_sweeper(claim: Claim) -> Iterator[None]:
    """While the database is unavailable the end of an attempt can't be written: the lease expires, the sweeper acts."""
    try:
        yield
    except db.UNAVAILABLE as error:
        log.error("left to the sweeper", job_id=str(claim.job.id), attempt=claim.attempt, error=type(error).__name__)


async def _hand_back(services: Services, claim: Claim) -> None:
    """This process stops: let another one take the job at once."""
    with _or_left_to_the_sweeper(claim):
        await lease.hand_back(services, claim)


async def _release(services: Services, claim: Claim) -> None:
    """The job was cancelled, deleted or claimed by another worker: remove objects without an owner."""
    log.info("job cancelled, deleted or taken over", job_id=str(claim.job.id), attempt=claim.attempt)
    with _or_left_to_the_sweeper(claim):
        await cancellation.remove_objects_without_owner(services, claim.job)


async def _fail(context: Context, claim: Claim, error: Exception, progress: int) -> None:
    """End the job as failed, or have it retried."""
    services, job_id = context.services, claim.job.id
    failure = DatabaseUnavailable() if isinstance(error, db.UNAVAILABLE) else classify(error)
    if isinstance(failure, ModelUnavailable):
        context.report_outage()
    expected = failure.error_type == "quality_issue"
    log.info("attempt failed", job_id=str(job_id), attempt=claim.attempt, code=failure.code, exc_info=not expected)
    with _or_left_to_the_sweeper(claim):
        await asyncio.shield(lease.fail(services, claim, failure, progress))
        await cancellation.remove_objects_without_owner(services, claim.job)
