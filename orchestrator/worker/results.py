"""Saves what the pipeline has made: the objects first, then the row that says they exist."""

import asyncio
import time

from orchestrator import db, object_keys
from orchestrator.errors import Fenced
from orchestrator.jobs import lease
from orchestrator.jobs.lease import Claim
from orchestrator.observability.logs import log
from orchestrator.observability.metrics import QUALITY, STEP_SECONDS
from orchestrator.pipeline.images import encode_jpeg
from orchestrator.pipeline.pixels import Pixels
from orchestrator.pipeline.run import Result
from orchestrator.pipeline.steps import SAVING, SEGMENTING
from orchestrator.services import Services
from orchestrator.worker.reporter import Reporter


async def save(
    services: Services, claim: Claim, report: Reporter, result: Result, *, started: float, provider: str
) -> None:
    """Store the objects and complete the job.

    Args:
        services: clients.
        claim: the job.
        report: progress of this attempt.
        result: what the pipeline has made.
        started: when the attempt began, as a value of `time.perf_counter`.
        provider: what ran the networks.

    Raises:
        Fenced: the claim is no longer valid. StoreUnavailable: the object store can't be written.
    """
    job, storage = claim.job, services.storage
    result_key, mask_key, _, before_key, *_ = object_keys.result_keys(job.user_id, job.id)
    await report(SAVING, 90)
    saving = time.perf_counter()
    await storage.put(mask_key, result.mask_png, "image/png")
    await storage.put(before_key, result.before_jpeg, "image/jpeg")
    for px, key in object_keys.thumbnail_keys(job.user_id, job.id).items():
        await storage.put(key, result.thumbnails[px], "image/jpeg")
    await report(SAVING, 95)
    await storage.put(result_key, result.jpeg, "image/jpeg")
    ended = time.perf_counter()
    step_ms = result.step_ms | {SAVING: round((ended - saving) * 1000)}
    for step, ms in step_ms.items():
        STEP_SECONDS.labels(step).observe(ms / 1000)
    processing_time_ms = round((ended - started) * 1000)
    completing = lease.complete(
        services,
        claim,
        result_key=result_key,
        mask_key=mask_key,
        before_key=before_key,
        thumbnails=True,
        result_width=result.width,
        result_height=result.height,
        processing_time_ms=processing_time_ms,
        step_ms=step_ms,
        eyes_found=result.eyes_found,
        detail_used=result.detail_used,
        quality_score=result.quality_score,
        quality_warnings=result.warnings,
        provider=provider,
        other_eye=result.other_eye if job.eyes == "all" else None,
    )
    if await asyncio.shield(completing) is None:
        raise Fenced
    QUALITY.observe(result.quality_score)
    log.info("completed", job_id=str(job.id), attempt=claim.attempt, ms=processing_time_ms, step_ms=step_ms)


async def save_preview(services: Services, claim: Claim, report: Reporter, preview: Pixels) -> None:
    """Store a preview, (P, P, 3) uint8 sRGB, and publish its link to the watchers. Raises Fenced."""
    key = object_keys.result_keys(claim.job.user_id, claim.job.id)[2]
    await services.storage.put(key, await asyncio.to_thread(encode_jpeg, preview, 85), "image/jpeg")
    async with db.autocommit(services.db) as session:
        if not await db.jobs.advance(session, claim.job.id, claim.attempt, preview_key=key):
            raise Fenced
    await report(SEGMENTING, 39, preview_url=await services.storage.link(key))
