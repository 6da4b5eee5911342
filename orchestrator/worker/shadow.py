"""Shadows: versions that run beside the primary, on the same photos, and whose results are shown to nobody.

The whole pipeline runs once more with the shadow in its model's place, after the job has ended, and with a lower
priority in the server's queue than every job. What is recorded is how alike the two results are, and how long each
took.
"""

import asyncio
import time
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator import db
from orchestrator.errors import classify
from orchestrator.inference.protocol import SEGMENTER
from orchestrator.jobs.lease import Claim
from orchestrator.jobs.submission import hint_of
from orchestrator.observability.logs import log
from orchestrator.pipeline.run import Result, run
from orchestrator.worker.context import Context

SAME_DB = 99.0  # the peak signal-to-noise ratio of two equal pictures would be infinite


@dataclass(frozen=True)
class PrimaryRun:
    """The run that became a job's result: the photo's bytes and what the pipeline made of them."""

    photo: bytes
    result: Result


async def run_shadows(context: Context, claim: Claim, primary: PrimaryRun) -> None:
    """Run each shadow of the job's models once. A shadow that fails is recorded as such and does no harm."""
    for name, version in claim.shadows.items():
        if version != claim.versions.get(name):
            await _run_shadow(context, claim, primary, name, version)


async def _run_shadow(context: Context, claim: Claim, primary: PrimaryRun, name: str, version: str) -> None:
    services = context.services
    started = time.perf_counter()
    alike, code = None, None
    try:
        async with asyncio.timeout(services.settings.job_timeout_s):
            infer = context.infer.pinned({**claim.versions, name: version}, background=True)
            result = await run(
                primary.photo,
                infer,
                context.decoder,
                context.budget,
                _ignore_progress,
                at=hint_of(claim.job),
                detail=primary.result.detail_used,
            )
            alike = await asyncio.to_thread(likeness, name, result, primary.result)
    except Exception as error:
        code = classify(error).code
    ms = round((time.perf_counter() - started) * 1000)
    columns = {"name": name, "version": version, "shown": claim.versions[name], "likeness": alike, "error": code}
    log.info("shadow", job_id=str(claim.job.id), ms=ms, **columns)
    try:
        async with services.db.begin() as session:
            shown_ms = sum(primary.result.step_ms.values())
            await db.rollout.add_shadow_run(session, job_id=claim.job.id, ms=ms, shown_ms=shown_ms, **columns)
    except (*db.UNAVAILABLE, db.IntegrityError) as error:  # or the job was deleted meanwhile
        log.warning("shadow not recorded", job_id=str(claim.job.id), error=type(error).__name__)


async def _ignore_progress(step: str, percent: int, *, result_px: int | None = None) -> None:
    """Shadows have no watchers."""


def likeness(name: str, one: Result, other: Result) -> float:
    """How alike two runs are: IoU of the masks (0–1) for a segmenter, PSNR of the pictures in dB for an enhancer.

    0 where the pictures differ in size.
    """
    if name == SEGMENTER:
        masks = [_decoded(run.mask_png) > 0 for run in (one, other)]
        either = float((masks[0] | masks[1]).sum())
        return float((masks[0] & masks[1]).sum()) / either if either else 1.0
    if (one.width, one.height) != (other.width, other.height):
        return 0.0
    return min(float(cv2.PSNR(_decoded(one.jpeg), _decoded(other.jpeg))), SAME_DB)


def _decoded(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), np.uint8)
