"""The arq worker: takes a job id, runs the pipeline, writes the end."""

import asyncio
import contextlib
import json
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from arq.worker import Worker, func

from orchestrator import cleanup, jobs, progress, queue, storage, store, sweeper
from orchestrator.config import Settings
from orchestrator.errors import Fenced, IrisvueError, ModelUnavailable, SetupError, StepTimeout, classify
from orchestrator.hub import listen
from orchestrator.inference.contracts import Infer
from orchestrator.pipeline.decoding import Decoder
from orchestrator.pipeline.images import Pixels, encode_jpeg
from orchestrator.pipeline.run import SAVING, SEGMENTING, WORDS, Limits, run
from orchestrator.progress import STOP_CHANNEL, UNREACHABLE
from orchestrator.services import Services, open_inference, open_services
from orchestrator.telemetry import STEP_SECONDS, log

WRITE_EVERY_S = 0.5  # progress goes to watchers at once, to the row not more often than this
CHANNEL_PAUSE_S = MODEL_PAUSE_S = 0.5


@dataclass
class Context:
    """What one worker process works with. `running`: the task of each job in hand, so that a cancel reaches it."""

    services: Services
    infer: Infer
    decoder: Decoder
    running: dict[UUID, asyncio.Task[Any]] = field(default_factory=dict)
    stopped: set[UUID] = field(default_factory=set)
    models_back: asyncio.Task[None] | None = None  # runs while the models are away

    def stop(self, job_id: UUID) -> None:
        """End the work on a job that was cancelled or deleted."""
        if task := self.running.get(job_id):
            self.stopped.add(job_id)
            task.cancel()

    def models_lost(self) -> None:
        """Take no job until the models answer again: an outage must not use up the attempts of every job in line."""
        if self.models_back is None or self.models_back.done():
            self.models_back = asyncio.create_task(self._until_ready())

    async def _until_ready(self) -> None:
        while not await self.infer.ready():  # noqa: ASYNC110  nobody tells when a server is back
            await asyncio.sleep(MODEL_PAUSE_S)

    async def models_present(self) -> None:
        """Wait for models that were lost, but not for ever: then jobs end with the reason."""
        if self.models_back:
            await asyncio.wait({self.models_back}, timeout=self.services.settings.model_wait_s)


class Reporter:
    """Tells watchers of every step forward, writes the row now and then, and notices when the job is no longer ours."""

    def __init__(self, services: Services, mine: jobs.Claim) -> None:
        self._services, self._mine = services, mine
        self._last: tuple[str, int] = ("", -1)
        self._written = 0.0
        self._turn = asyncio.Lock()  # tiles report from several tasks

    async def __call__(self, step: str, done: int, **more: str) -> None:
        """Report `done` percent in `step`; what is not further than the last report is left out. Raises Fenced."""
        async with self._turn:
            if done > self._last[1]:
                await self._report(WORDS[step], done, more)

    async def _report(self, words: str, done: int, more: dict[str, str]) -> None:
        job, new_step = self._mine.job, words != self._last[0]
        self._last = words, done
        if new_step or time.monotonic() - self._written > WRITE_EVERY_S:
            self._written = time.monotonic()
            async with self._services.db.begin() as db:
                if not await store.advance(db, job.id, self._mine.attempt, progress=done, current_step=words):
                    raise Fenced
        await jobs.tell(self._services, job, progress.message(job.id, "processing", done, words, **more))


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


async def work(context: Context, mine: jobs.Claim) -> None:
    """Run the pipeline for a claimed job, save, and write its success."""
    services, infer, job = context.services, context.infer, mine.job
    settings = services.settings
    report = Reporter(services, mine)
    started = time.perf_counter()
    result_key, mask_key, _ = storage.result_keys(job.user_id, job.id)

    async def show(preview: Pixels) -> None:
        await _save_preview(services, mine, report, preview)

    data = await services.storage.get(mine.photo.object_key)
    limits = Limits(settings.max_pixels, settings.max_result_px, settings.tiles_in_flight)
    done = await run(data, infer, context.decoder, limits, report, show if job.preview else None)
    await report(SAVING, 90)
    saving = time.perf_counter()
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


async def _save_preview(services: Services, mine: jobs.Claim, report: Reporter, preview: Pixels) -> None:
    key = storage.result_keys(mine.job.user_id, mine.job.id)[2]
    await services.storage.put(key, await asyncio.to_thread(encode_jpeg, preview, 85), "image/jpeg")
    async with services.db.begin() as db:
        if not await store.advance(db, mine.job.id, mine.attempt, preview_key=key):
            raise Fenced
    await report(SEGMENTING, 39, preview_url=await services.storage.link(key))


async def process(ctx: dict[str, Any], job_id: str) -> None:
    """Arq's entry: run one attempt of one job to an end, a retry, or a hand-back."""
    context: Context = ctx["context"]
    await context.models_present()
    mine = await jobs.claim(context.services, UUID(job_id))
    if mine is None:
        return
    task = asyncio.current_task()
    if task:
        context.running[mine.job.id] = task
    try:
        await attempt(context, mine)
    finally:
        context.running.pop(mine.job.id, None)
        context.stopped.discard(mine.job.id)


async def attempt(context: Context, mine: jobs.Claim) -> None:
    """One attempt; however it ends, the job's row and its objects say so."""
    services, job_id = context.services, mine.job.id
    try:
        async with asyncio.timeout(services.settings.job_timeout_s), kept_lease(services, mine):
            await work(context, mine)
    except asyncio.CancelledError:
        if job_id in context.stopped:
            await asyncio.shield(_after_losing(services, mine))
            return
        await asyncio.shield(jobs.hand_back(services, mine))  # the process ends: give the job to another at once
        raise
    except Fenced:
        await _after_losing(services, mine)
    except Exception as error:
        found = StepTimeout() if isinstance(error, TimeoutError) else classify(error)
        quiet = found.error_type == "quality_issue"
        if isinstance(found, ModelUnavailable):
            context.models_lost()
        log.info("attempt failed", job_id=str(job_id), attempt=mine.attempt, code=found.code, exc_info=not quiet)
        if await asyncio.shield(jobs.fail(services, mine, found)) or await jobs.has_no_owner(services, job_id):
            await jobs.remove_objects(services, mine.job)


async def _after_losing(services: Services, mine: jobs.Claim) -> None:
    log.info("job cancelled, deleted or taken over", job_id=str(mine.job.id), attempt=mine.attempt)
    if await jobs.has_no_owner(services, mine.job.id):
        await jobs.remove_objects(services, mine.job)


async def _repeat(what: Callable[[Services], Awaitable[object]], services: Services, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        try:
            await what(services)
        except Exception as error:
            log.warning("round failed", what=what.__name__, error=type(error).__name__)


async def _obey_stops(context: Context) -> None:
    def missed() -> None:
        """Cancels that were said meanwhile are found by the next report or lease renewal."""

    await listen(context.services.redis, STOP_CHANNEL, missed, lambda data: context.stop(UUID(data.decode())))


def _arq_worker(context: Context) -> Worker:
    settings = context.services.settings
    return Worker(
        [func(process, name=queue.FUNCTION)],
        queue_name=queue.QUEUE,
        redis_pool=context.services.redis,
        ctx={"context": context},
        max_jobs=settings.worker_jobs,
        job_timeout=settings.job_timeout_s + 60,
        poll_delay=0.02,
        keep_result=0,
        max_tries=1_000_000,  # attempts are counted in the row
        retry_jobs=False,
        handle_signals=False,
        health_check_interval=5,
        job_serializer=queue.dump,
        job_deserializer=json.loads,
    )


async def run_worker(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT: then nothing new is begun, and what is not done in `drain_s` is handed back.

    A second signal hands back at once. Losing Redis ends nothing: jobs in hand are finished, then it is tried again.
    """
    async with open_services(settings) as services, contextlib.AsyncExitStack() as exits:
        infer = await _open_inference(settings)
        exits.push_async_callback(infer.aclose)
        limits = settings.worker_jobs, settings.decoder_bytes, settings.pixels_in_hand
        decoder = await exits.enter_async_context(Decoder(*limits))
        context = Context(services, infer, decoder)
        background = [
            asyncio.create_task(_repeat(sweeper.sweep_in_turn, services, settings.sweep_every_s)),
            asyncio.create_task(_repeat(cleanup.clean_in_turn, services, settings.cleanup_every_s)),
            asyncio.create_task(_obey_stops(context)),
        ]
        try:
            await _until_signalled(context)
        finally:
            for task in [*background, *([context.models_back] if context.models_back else [])]:
                task.cancel()


async def _open_inference(settings: Settings) -> Infer:
    """The models, waited for: in a cluster the worker may be there before they are."""
    said = ""
    while True:
        try:
            return await open_inference(settings)
        except SetupError:
            raise
        except IrisvueError as error:
            if said != error.detail:
                log.warning("waiting for the models", code=error.code, detail=error.detail)
            said = error.detail
            await asyncio.sleep(MODEL_PAUSE_S)


async def _until_signalled(context: Context) -> None:
    told = asyncio.Queue[None]()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.put_nowait, None)
    stopping = asyncio.create_task(told.get())
    while not stopping.done():
        arq = _arq_worker(context)
        taking = asyncio.create_task(arq.async_run())
        log.info("worker ready", provider=context.infer.provider, models=context.infer.versions)
        await asyncio.wait({stopping, taking}, return_when=asyncio.FIRST_COMPLETED)
        arq.allow_pick_jobs = False
        await _finish(context, arq, taking, stopping, told)


async def _finish(
    context: Context, arq: Worker, taking: asyncio.Task[Any], stopping: asyncio.Task[None], told: asyncio.Queue[None]
) -> None:
    """Let the jobs in hand end: after a signal for `drain_s` at most, or until the next signal."""
    if taking.done() and (error := taking.exception()):
        log.warning("queue lost", error=type(error).__name__)
        if not isinstance(error, UNREACHABLE):
            raise error
    if stopping.done():
        log.info("draining", jobs=len(context.running), at_most_s=context.services.settings.drain_s)
    in_hand = [task for task in arq.tasks.values() if not task.done()]
    impatient = asyncio.create_task(told.get()) if stopping.done() else stopping
    ended = asyncio.gather(*in_hand, return_exceptions=True)
    limit = context.services.settings.drain_s if stopping.done() else None
    waiting: set[asyncio.Future[Any]] = {ended, impatient}
    await asyncio.wait(waiting, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
    if stopping.done() and not ended.done():
        for task in in_hand:
            task.cancel()  # hands its job back
    taking.cancel()
    await asyncio.gather(ended, taking, return_exceptions=True)
    if impatient is not stopping:
        impatient.cancel()
    await asyncio.sleep(0 if stopping.done() else CHANNEL_PAUSE_S)
