"""The arq worker: takes a job id, runs the pipeline, writes the end."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from arq.worker import Worker, func

from orchestrator import jobs, progress, queue, storage, store, sweeper
from orchestrator.config import Settings
from orchestrator.errors import Fenced, IrisvueError, StepTimeout, classify
from orchestrator.inference.contracts import Infer
from orchestrator.pipeline.run import SAVING, WORDS, Limits, run
from orchestrator.services import Services, open_inference, open_services
from orchestrator.telemetry import STEP_SECONDS, log

WRITE_EVERY_S = 0.5  # progress goes to watchers at once, to the row not more often than this


class Reporter:
    """Tells watchers of every step forward, writes the row now and then, and notices when the job is no longer ours."""

    def __init__(self, services: Services, mine: jobs.Claim) -> None:
        self._services, self._mine = services, mine
        self._last: tuple[str, int] = ("", -1)
        self._written = 0.0
        self._turn = asyncio.Lock()  # tiles report from several tasks

    async def __call__(self, step: str, done: int) -> None:
        """Report `done` percent in `step`; what is not further than the last report is left out. Raises Fenced."""
        async with self._turn:
            if done > self._last[1]:
                await self._report(WORDS[step], done)

    async def _report(self, words: str, done: int) -> None:
        job_id, new_step = self._mine.job.id, words != self._last[0]
        self._last = words, done
        if new_step or time.monotonic() - self._written > WRITE_EVERY_S:
            self._written = time.monotonic()
            async with self._services.db.begin() as db:
                if not await store.advance(db, job_id, self._mine.attempt, done, words):
                    raise Fenced
        await jobs.tell(self._services, progress.message(job_id, "processing", done, words))


@contextlib.asynccontextmanager
async def kept_lease(services: Services, mine: jobs.Claim) -> AsyncIterator[None]:
    """Renew the lease in the background; the body is cancelled and Fenced raised when the job is no longer ours."""
    body = asyncio.current_task()
    lost = False

    async def keep() -> None:
        nonlocal lost
        lease_s = services.settings.lease_s
        while True:
            await asyncio.sleep(lease_s / 4)
            try:
                async with services.db.begin() as db:
                    lost = not await store.renew(db, mine.job.id, mine.attempt, lease_s)
            except Exception as error:  # the database may be back before the lease runs out
                log.warning("lease not renewed", job_id=str(mine.job.id), error=type(error).__name__)
            if lost and body:
                body.cancel()
                return

    keeper = asyncio.create_task(keep())
    try:
        yield
    except asyncio.CancelledError:
        if lost:
            raise Fenced from None
        raise
    finally:
        keeper.cancel()


async def work(services: Services, infer: Infer, mine: jobs.Claim) -> None:
    """Run the pipeline for a claimed job, save, and write its success."""
    settings, job, photo = services.settings, mine.job, mine.photo
    report = Reporter(services, mine)
    started = time.perf_counter()
    data = await services.storage.get(photo.object_key)
    limits = Limits(settings.max_pixels, settings.max_result_px, settings.tiles_in_flight)
    done = await run(data, infer, limits, report)
    await report(SAVING, 90)
    saving = time.perf_counter()
    result_key, mask_key = storage.result_keys(job.user_id, job.id)
    await services.storage.put(mask_key, done.mask_png, "image/png")
    await report(SAVING, 95)
    await services.storage.put(result_key, done.jpeg, "image/jpeg")
    now = time.perf_counter()
    step_ms = done.step_ms | {SAVING: round((now - saving) * 1000)}
    for step, ms in step_ms.items():
        STEP_SECONDS.labels(step).observe(ms / 1000)
    ended = await asyncio.shield(
        jobs.complete(
            services,
            mine,
            result_key=result_key,
            mask_key=mask_key,
            result_width=done.width,
            result_height=done.height,
            processing_time_ms=round((now - started) * 1000),
            step_ms=step_ms,
            quality_score=done.quality_score,
            quality_warnings=done.warnings,
            model_versions=infer.versions,
            provider=infer.provider,
        )
    )
    if ended is None:
        raise Fenced


async def remove_partial(services: Services, mine: jobs.Claim) -> None:
    """Delete what a failed attempt may have saved; the store being away does not hide the job's own end."""
    try:
        await services.storage.delete(storage.result_keys(mine.job.user_id, mine.job.id))
    except IrisvueError as error:
        log.warning("partial objects left", job_id=str(mine.job.id), error=error.code)


async def process(ctx: dict[str, Any], job_id: str) -> None:
    """Arq's entry: run one attempt of one job to an end, a retry, or a hand-back."""
    services: Services = ctx["services"]
    mine = await jobs.claim(services, UUID(job_id))
    if mine is None:
        return
    try:
        async with asyncio.timeout(services.settings.job_timeout_s), kept_lease(services, mine):
            await work(services, ctx["infer"], mine)
    except asyncio.CancelledError:  # the process is asked to stop: give the job to another at once
        await asyncio.shield(jobs.hand_back(services, mine))
        raise
    except Fenced:
        log.info("job taken over or deleted", job_id=job_id, attempt=mine.attempt)
        if not await jobs.exists(services, mine.job.id):
            await remove_partial(services, mine)
    except Exception as error:
        found = StepTimeout() if isinstance(error, TimeoutError) else classify(error)
        quiet = found.error_type == "quality_issue"
        log.info("attempt failed", job_id=job_id, attempt=mine.attempt, code=found.code, exc_info=not quiet)
        if await asyncio.shield(jobs.fail(services, mine, found)):
            await remove_partial(services, mine)


async def _sweep_for_ever(services: Services) -> None:
    while True:
        await asyncio.sleep(services.settings.sweep_every_s)
        try:
            await sweeper.sweep(services)
        except Exception as error:
            log.warning("sweep failed", error=type(error).__name__)


async def run_worker(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; running jobs are handed back then."""
    async with open_services(settings) as services:
        infer = await open_inference(settings)
        sweeping = asyncio.create_task(_sweep_for_ever(services))
        worker = Worker(
            [func(process, name=queue.FUNCTION)],
            queue_name=queue.QUEUE,
            redis_pool=services.redis,
            ctx={"services": services, "infer": infer},
            max_jobs=settings.worker_jobs,
            job_timeout=settings.job_timeout_s + 60,
            poll_delay=0.02,
            keep_result=0,
            max_tries=1,
            retry_jobs=False,
            health_check_interval=5,
            job_serializer=queue.dump,
            job_deserializer=json.loads,
        )
        log.info("worker ready", provider=infer.provider, models=infer.versions)
        try:
            await worker.async_run()
        except asyncio.CancelledError:
            pass  # arq's own way to stop after a signal
        finally:
            sweeping.cancel()
            await worker.close()
            await infer.aclose()
