"""The Celery worker: each of its processes has the networks and takes one photo at a time."""

import asyncio
import json
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID

import cv2
from celery.signals import worker_process_init
from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy import update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import async_sessionmaker

from benchmarks.baseline.settings import ENDED, TASK, progress_key, queue, settings
from benchmarks.baseline.tables import Job, open_engine
from orchestrator import config
from orchestrator.errors import classify
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.observability.logs import log
from orchestrator.pipeline.decoder import Decoder
from orchestrator.pipeline.run import Budget, Result, run

DEFAULTS, KEEP_PROGRESS_S = config.Settings(), 86_400
PASSES = (OSError, RedisError, DBAPIError)


class Worker:
    """What one process holds."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.sessions = async_sessionmaker(open_engine(2), expire_on_commit=False)
        self.redis = Redis.from_url(settings().redis_url)
        self.infer = OnnxInfer(Path(DEFAULTS.model_repository), threads=1)  # one process for each core
        self.decoder = Decoder(1, DEFAULTS.decoder_bytes, DEFAULTS.pixels_in_hand)
        self.budget = Budget(DEFAULTS.max_pixels, DEFAULTS.max_result_px, DEFAULTS.tiles_in_flight)

    async def process(self, job_id: UUID) -> None:
        """Make the picture, and say how far it is."""
        if (job := await self._write(job_id, status="processing")) is None:
            return  # delivered twice
        try:
            photo = settings().photo(job.user_id, job.photo_id).read_bytes()

            async def report(step: str, percent: int, **_: Any) -> None:
                await self._tell(job_id, "processing", percent, step)

            _save(settings().result(job_id), await run(photo, self.infer, self.decoder, self.budget, report))
        except PASSES:
            raise  # Celery tries again
        except Exception as error:
            log.exception("failed", job_id=str(job_id))
            code = classify(error).code
            await self._write(job_id, status="failed", error=code)
            await self._tell(job_id, "failed", 100, code)
        else:
            await self._write(job_id, status="completed")
            await self._tell(job_id, "completed", 100, "completed")

    async def _write(self, job_id: UUID, **values: Any) -> Job | None:
        change = update(Job).where(Job.id == job_id, Job.status.not_in(ENDED)).values(**values).returning(Job)
        async with self.sessions.begin() as session:
            return (await session.execute(change)).scalar_one_or_none()

    async def _tell(self, job_id: UUID, status: str, progress: int, step: str) -> None:
        message = {"job_id": str(job_id), "status": status, "progress": progress, "step": step}
        await self.redis.set(progress_key(job_id), json.dumps(message), ex=KEEP_PROGRESS_S)


def _save(folder: Path, result: Result) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mask.png").write_bytes(result.mask_png)
    (folder / "before.jpg").write_bytes(result.before_jpeg)
    for side_px, jpeg in result.thumbnails.items():
        (folder / f"{side_px}.jpg").write_bytes(jpeg)
    (folder / "result.jpg").write_bytes(result.jpeg)


@cache
def worker() -> Worker:
    """What this process holds."""
    return Worker()


@worker_process_init.connect
def open_worker(**_: Any) -> None:
    """Load the networks after the fork, which their threads would not survive."""
    cv2.setNumThreads(1)
    worker()


@queue.task(name=TASK, autoretry_for=PASSES, retry_backoff=True, max_retries=3)
def process(job_id: str) -> None:
    """Process a photo."""
    worker().runner.run(worker().process(UUID(job_id)))
