"""One attempt of one job, from the claim to its end, a retry or a hand-back."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import UUID

from orchestrator import db, object_keys
from orchestrator.errors import DatabaseUnavailable, Fenced, IrisvueError, ModelUnavailable, StepTimeout, classify
from orchestrator.jobs import cancellation, lease
from orchestrator.observability import tracing
from orchestrator.observability.logs import log
from orchestrator.observability.metrics import QUALITY, STEP_SECONDS, WAIT_SECONDS
from orchestrator.pipeline.images import Pixels, encode_jpeg
from orchestrator.pipeline.run import SAVING, SEGMENTING, Budget, run
from orchestrator.services import Services
from orchestrator.worker.context import Context
from orchestrator.worker.lease_keeper import kept_lease
from orchestrator.worker.reporter import Reporter
from orchestrator.worker.shadow import PrimaryRun, run_shadows

WRITE_AGAIN_AFTER_S = (0.1, 0.3, 0.6, 1.0, 2.0)
T = TypeVar("T")


async def work(context: Context, mine: lease.Claim) -> PrimaryRun:
    """Run the pipeline for a claimed job, save, and write its success; returns what was shown."""
    report = Reporter(context.services, mine)
    with contextlib.closing(report.steps):
        return await _work(context, mine, report)


async def _work(context: Context, mine: lease.Claim, report: Reporter) -> PrimaryRun:
    services, job, settings = context.services, mine.job, context.services.settings
    infer = context.infer.pinned(mine.versions, background=job.priority == "background")
    started = time.perf_counter()
    if mine.attempt == 1 and job.started_at:
        WAIT_SECONDS.observe(max((job.started_at - job.created_at).total_seconds(), 0.0))
    result_key, mask_key, _, before_key = object_keys.result_keys(job.user_id, job.id)

    async def show(preview: Pixels) -> None:
        await _save_preview(services, mine, report, preview)

    data = await services.storage.get(mine.photo.object_key)
    limits = Budget(settings.max_pixels, settings.max_result_px, settings.tiles_in_flight)
    done = await run(data, infer, context.decoder, limits, report, show if job.preview else None)
    await report(SAVING, 90)
    saving = time.perf_counter()
    await services.storage.put(mask_key, done.mask_png, "image/png")
    await services.storage.put(before_key, done.before_jpeg, "image/jpeg")
    await report(SAVING, 95)
    await services.storage.put(result_key, done.jpeg, "image/jpeg")
    now = time.perf_counter()
    step_ms = done.step_ms | {SAVING: round((now - saving) * 1000)}
    for step, ms in step_ms.items():
        STEP_SECONDS.labels(step).observe(ms / 1000)
    facts = {
        "result_key": result_key,
        "mask_key": mask_key,
        "before_key": before_key,
        "result_width": done.width,
        "result_height": done.height,
        "processing_time_ms": round((now - started) * 1000),
        "step_ms": step_ms,
        "quality_score": done.quality_score,
        "quality_warnings": done.warnings,
        "provider": infer.provider,
    }
    if await asyncio.shield(_patiently(lambda: lease.complete(services, mine, **facts))) is None:
        raise Fenced
    QUALITY.observe(done.quality_score)
    log.info("completed", job_id=str(job.id), attempt=mine.attempt, ms=facts["processing_time_ms"], step_ms=step_ms)
    return PrimaryRun(data, done)


async def _patiently(write: Callable[[], Awaitable[T]]) -> T:
    """A final write, tried again for a while where the database is away. Raises what the last try raised."""
    for pause in WRITE_AGAIN_AFTER_S:
        try:
            return await write()
        except db.UNAVAILABLE as error:
            log.warning("final write not done yet", error=type(error).__name__)
            await asyncio.sleep(pause)
    return await write()


async def _save_preview(services: Services, mine: lease.Claim, report: Reporter, preview: Pixels) -> None:
    key = object_keys.result_keys(mine.job.user_id, mine.job.id)[2]
    await services.storage.put(key, await asyncio.to_thread(encode_jpeg, preview, 85), "image/jpeg")
    async with services.db.begin() as session:
        if not await db.jobs.advance(session, mine.job.id, mine.attempt, preview_key=key):
            raise Fenced
    await report(SEGMENTING, 39, preview_url=await services.storage.link(key))


async def process(ctx: dict[str, Any], job_id: str) -> None:
    """Arq's entry: run one attempt of one job to an end, a retry, or a hand-back."""
    context: Context = ctx["context"]
    await context.models_present()
    mine = await lease.claim(context.services, UUID(job_id), context.infer.versions)
    if mine is None:
        return
    task = asyncio.current_task()
    if task:
        context.running[mine.job.id] = task
    try:
        ids = {"irisvue.job_id": job_id, "irisvue.attempt": mine.attempt}
        with tracing.span_after(mine.job.trace, "job", **ids):
            shown = await attempt(context, mine)
        if shown and mine.shadows:
            await run_shadows(context.services, context.infer, context.decoder, mine, shown)
    finally:
        context.running.pop(mine.job.id, None)
        context.stopped.discard(mine.job.id)


async def attempt(context: Context, mine: lease.Claim) -> PrimaryRun | None:
    """One attempt; however it ends, the job's row and its objects say so. Returns what was shown, if it succeeded."""
    try:
        return await _attempt(context, mine)
    except db.UNAVAILABLE as error:
        log.error("left to the sweeper", job_id=str(mine.job.id), attempt=mine.attempt, error=type(error).__name__)
    return None


async def _attempt(context: Context, mine: lease.Claim) -> PrimaryRun | None:
    services, job_id = context.services, mine.job.id
    try:
        async with asyncio.timeout(services.settings.job_timeout_s), kept_lease(services, mine):
            return await work(context, mine)
    except asyncio.CancelledError:
        if job_id in context.stopped:
            await asyncio.shield(_after_losing(services, mine))
            return None
        await asyncio.shield(_patiently(lambda: lease.hand_back(services, mine)))  # to another, at once
        raise
    except Fenced:
        await _after_losing(services, mine)
    except Exception as error:
        found = _classified(error)
        quiet = found.error_type == "quality_issue"
        if isinstance(found, ModelUnavailable):
            context.models_lost()
        log.info("attempt failed", job_id=str(job_id), attempt=mine.attempt, code=found.code, exc_info=not quiet)
        ended = await asyncio.shield(_patiently(lambda: lease.fail(services, mine, found)))
        if ended or await lease.has_no_owner(services, job_id):
            await cancellation.remove_objects(services, mine.job)
    return None


def _classified(error: Exception) -> IrisvueError:
    if isinstance(error, TimeoutError):  # an OSError too, since Python 3.11
        return StepTimeout()
    return DatabaseUnavailable() if isinstance(error, db.UNAVAILABLE) else classify(error)


async def _after_losing(services: Services, mine: lease.Claim) -> None:
    log.info("job cancelled, deleted or taken over", job_id=str(mine.job.id), attempt=mine.attempt)
    if await lease.has_no_owner(services, mine.job.id):
        await cancellation.remove_objects(services, mine.job)
