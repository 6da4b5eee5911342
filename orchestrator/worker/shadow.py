"""Shadows: a version that runs beside the one that is shown, on the same photos, seen by nobody.

The whole pipeline runs once more with the shadow in its model's place, after the job has ended and behind everybody
else in the server's queue. What is written down is how alike the two came out, and how long each took.
"""

import asyncio
import time
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator import db
from orchestrator.errors import classify
from orchestrator.inference.protocol import SEGMENTER, Infer
from orchestrator.jobs.lease import Claim
from orchestrator.observability.logs import log
from orchestrator.pipeline.decoder import Decoder
from orchestrator.pipeline.run import Budget, Result, run
from orchestrator.services import Services

SAME_DB = 99.0  # the peak signal-to-noise ratio of two pictures that are equal would be infinite


@dataclass(frozen=True)
class PrimaryRun:
    """A photo's bytes and what became of them."""

    data: bytes
    done: Result


async def run_shadows(services: Services, infer: Infer, decoder: Decoder, mine: Claim, shown: PrimaryRun) -> None:
    """Run each shadow of the job's models once. What goes wrong with one is written down and hurts nobody."""
    for name, version in mine.shadows.items():
        if version == mine.versions.get(name):
            continue
        started = time.perf_counter()
        likeness, error = None, None
        try:
            async with asyncio.timeout(services.settings.job_timeout_s):
                likeness = await _likeness(services, infer, decoder, mine, shown, name, version)
        except Exception as failed:
            error = classify(failed).code
        ms = round((time.perf_counter() - started) * 1000)
        facts = {"name": name, "version": version, "shown": mine.versions[name], "likeness": likeness, "error": error}
        log.info("shadow", job_id=str(mine.job.id), ms=ms, **facts)
        try:
            async with services.db.begin() as session:
                shown_ms = sum(shown.done.step_ms.values())
                await db.rollout.add_shadow_run(session, job_id=mine.job.id, ms=ms, shown_ms=shown_ms, **facts)
        except db.UNAVAILABLE as away:  # or the job was deleted meanwhile
            log.warning("shadow not written down", job_id=str(mine.job.id), error=type(away).__name__)


async def _likeness(
    services: Services, infer: Infer, decoder: Decoder, mine: Claim, shown: PrimaryRun, name: str, version: str
) -> float:
    settings = services.settings
    limits = Budget(settings.max_pixels, settings.max_result_px, settings.tiles_in_flight)
    pinned = infer.pinned({**mine.versions, name: version}, background=True)

    async def silent(step: str, progress: int) -> None:
        """Nobody watches."""

    done = await run(shown.data, pinned, decoder, limits, silent)
    return await asyncio.to_thread(likeness, name, done, shown.done)


def likeness(name: str, one: Result, other: Result) -> float:
    """Of two runs: the masks' intersection over union (0–1) for a segmenter, the pictures' PSNR in dB for an enhancer.

    0 where the pictures differ in size.
    """
    if name == SEGMENTER:
        iris, shown = (_decoded(run.mask_png) > 0 for run in (one, other))
        either = float((iris | shown).sum())
        return float((iris & shown).sum()) / either if either else 1.0
    if (one.width, one.height) != (other.width, other.height):
        return 0.0
    return min(float(cv2.PSNR(_decoded(one.jpeg), _decoded(other.jpeg))), SAME_DB)


def _decoded(data: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED), np.uint8)
