"""One attempt of one job, from the claim to its end, a retry or a hand-back."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID

from orchestrator import claims, jobs, progress, storage, store, tracing
from orchestrator.errors import DatabaseUnavailable, Fenced, IrisvueError, ModelUnavailable, StepTimeout, classify
from orchestrator.inference.contracts import Infer
from orchestrator.pipeline.decoding import Decoder
from orchestrator.pipeline.images import Pixels, encode_jpeg
from orchestrator.pipeline.run import SAVING, SEGMENTING, WORDS, Limits, run
from orchestrator.services import Services
from orchestrator.shadows import Shown, beside
from orchestrator.telemetry import QUALITY, STEP_SECONDS, WAIT_SECONDS, log

WRITE_EVERY_S = 0.5  # progress goes to watchers at once, to the row not more often than this
WRITE_AGAIN_AFTER_S = (0.1, 0.3, 0.6, 1.0, 2.0)
MODEL_PAUSE_S = 0.5
T = TypeVar("T")


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

    def __init__(self, services: Services, mine: claims.Claim) -> None:
        self._services, self._mine = services, mine
        self._last: tuple[str, int] = ("", -1)
        self._written = 0.0
        self._turn = asyncio.Lock()  # tiles report from several tasks
        self.steps = tracing.Steps()

    async def __call__(self, step: str, done: int, **more: str) -> None:
        """Report `done` percent in `step`; what is not further than the last report is left out. Raises Fenced."""
        self.steps.begin(step)
        async with self._turn:
            if done > self._last[1]:
                await self._report(WORDS[step], done, more)

    async def _report(self, words: str, done: int, more: dict[str, str]) -> None:
        job, new_step = self._mine.job, words != self._last[0]
        self._last = words, done
        if new_step or time.monotonic() - self._written > WRITE_EVERY_S:
            self._written = time.monotonic()
            await self._write(words, done)
        await jobs.tell(self._services, job, progress.message(job.id, "processing", done, words, **more))

    async def _write(self, words: str, done: int) -> None:
        try:
            async with self._services.db.begin() as db:
                ours = await store.advance(db, self._mine.job.id, self._mine.attempt, progress=done, current_step=words)
        except store.AWAY as error:  # work goes on; the lease and the final write decide
            log.warning("progress not written", job_id=str(self._mine.job.id), error=type(error).__name__)
            return
        if not ours:
            raise Fenced


@contextlib.asynccontextmanager
async def kept_lease(services: Services, mine: claims.Claim) -> AsyncIterator[None]:
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


async def work(context: Context, mine: claims.Claim) -> Shown:
    """Run the pipeline for a claimed job, save, and write its success; returns what was shown."""
    report = Reporter(context.services, mine)
    with contextlib.closing(report.steps):
        return await _work(context, mine, report)


async def _work(context: Context, mine: claims.Claim, report: Reporter) -> Shown:
    services, job, settings = context.services, mine.job, context.services.settings
    infer = context.infer.pinned(mine.versions, background=job.priority == "background")
    started = time.perf_counter()
    if mine.attempt == 1 and job.started_at:
        WAIT_SECONDS.observe(max((job.started_at - job.created_at).total_seconds(), 0.0))
    result_key, mask_key, _, before_key = storage.result_keys(job.user_id, job.id)

    async def show(preview: Pixels) -> None:
        await _save_preview(services, mine, report, preview)

    data = await services.storage.get(mine.photo.object_key)
    limits = Limits(settings.max_pixels, settings.max_result_px, settings.tiles_in_flight)
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
    if await asyncio.shield(_patiently(lambda: claims.complete(services, mine, **facts))) is None:
        raise Fenced
    QUALITY.observe(done.quality_score)
    log.info("completed", job_id=str(job.id), attempt=mine.attempt, ms=facts["processing_time_ms"], step_ms=step_ms)
    return Shown(data, done)


async def _patiently(write: Callable[[], Awaitable[T]]) -> T:
    """A final write, tried again for a while where the database is away. Raises what the last try raised."""
    for pause in WRITE_AGAIN_AFTER_S:
        try:
            return await write()
        except store.AWAY as error:
            log.warning("final write not done yet", error=type(error).__name__)
            await asyncio.sleep(pause)
    return await write()


async def _save_preview(services: Services, mine: claims.Claim, report: Reporter, preview: Pixels) -> None:
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
    mine = await claims.claim(context.services, UUID(job_id), context.infer.versions)
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
            await beside(context.services, context.infer, context.decoder, mine, shown)
    finally:
        context.running.pop(mine.job.id, None)
        context.stopped.discard(mine.job.id)


async def attempt(context: Context, mine: claims.Claim) -> Shown | None:
    """One attempt; however it ends, the job's row and its objects say so. Returns what was shown, if it succeeded."""
    try:
        return await _attempt(context, mine)
    except store.AWAY as error:
        log.error("left to the sweeper", job_id=str(mine.job.id), attempt=mine.attempt, error=type(error).__name__)
    return None


async def _attempt(context: Context, mine: claims.Claim) -> Shown | None:
    services, job_id = context.services, mine.job.id
    try:
        async with asyncio.timeout(services.settings.job_timeout_s), kept_lease(services, mine):
            return await work(context, mine)
    except asyncio.CancelledError:
        if job_id in context.stopped:
            await asyncio.shield(_after_losing(services, mine))
            return None
        await asyncio.shield(_patiently(lambda: claims.hand_back(services, mine)))  # to another, at once
        raise
    except Fenced:
        await _after_losing(services, mine)
    except Exception as error:
        found = _classified(error)
        quiet = found.error_type == "quality_issue"
        if isinstance(found, ModelUnavailable):
            context.models_lost()
        log.info("attempt failed", job_id=str(job_id), attempt=mine.attempt, code=found.code, exc_info=not quiet)
        ended = await asyncio.shield(_patiently(lambda: claims.fail(services, mine, found)))
        if ended or await claims.has_no_owner(services, job_id):
            await jobs.remove_objects(services, mine.job)
    return None


def _classified(error: Exception) -> IrisvueError:
    if isinstance(error, TimeoutError):  # an OSError too, since Python 3.11
        return StepTimeout()
    return DatabaseUnavailable() if isinstance(error, store.AWAY) else classify(error)


async def _after_losing(services: Services, mine: claims.Claim) -> None:
    log.info("job cancelled, deleted or taken over", job_id=str(mine.job.id), attempt=mine.attempt)
    if await claims.has_no_owner(services, mine.job.id):
        await jobs.remove_objects(services, mine.job)
