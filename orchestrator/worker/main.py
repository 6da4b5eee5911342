"""The arq worker: takes attempts out of the queue, sweeps, cleans up, and ends gracefully."""

import asyncio
import contextlib
import json
import signal
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from arq.worker import Worker, func

from orchestrator import db, queue
from orchestrator.config import Settings
from orchestrator.errors import IrisvueError, SetupError
from orchestrator.inference.protocol import Infer
from orchestrator.inference.provider import open_inference
from orchestrator.jobs import recovery
from orchestrator.notifications.dispatcher import Dispatcher
from orchestrator.observability.logs import log
from orchestrator.observability.metrics import serve_metrics
from orchestrator.pipeline.decoder import Decoder
from orchestrator.privacy import retention
from orchestrator.progress.events import STOP_CHANNEL, UNREACHABLE
from orchestrator.progress.hub import listen
from orchestrator.rollout import guard, routing
from orchestrator.services import Services, open_services
from orchestrator.worker.attempt import process
from orchestrator.worker.context import MODEL_PAUSE_S, Context

CHANNEL_PAUSE_S = 0.5


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
        poll_delay=settings.poll_s,
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
    if settings.metrics_port is not None:
        serve_metrics(settings.metrics_host, settings.metrics_port)
    async with open_services(settings) as services, contextlib.AsyncExitStack() as exits:
        infer = await _open_inference(settings)
        exits.push_async_callback(infer.aclose)
        infer.on_busy = _tells_busy(services)
        await _register(services, infer)
        limits = settings.worker_jobs, settings.decoder_bytes, settings.pixels_in_hand
        decoder = await exits.enter_async_context(Decoder(*limits))
        context = Context(services, infer, decoder)
        sender = Dispatcher(services)
        exits.push_async_callback(sender.aclose)
        background = [
            asyncio.create_task(_repeat(recovery.sweep_in_turn, services, settings.sweep_every_s)),
            asyncio.create_task(_repeat(retention.clean_in_turn, services, settings.cleanup_every_s)),
            asyncio.create_task(_repeat(guard.guard, services, settings.guard_every_s)),
            asyncio.create_task(_repeat(sender.round, services, settings.deliver_every_s)),
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


def _tells_busy(services: Services) -> Callable[[], None]:
    """What tells the API that the line before the models is full; not more than once a second."""
    loop, telling, last = asyncio.get_running_loop(), set[asyncio.Task[None]](), -1.0

    def tell() -> None:
        nonlocal last
        if loop.time() - last < 1:
            return
        last = loop.time()
        log.warning("the line before the models is full")
        task = asyncio.create_task(_quietly(queue.report_models_busy(services.redis)))
        telling.add(task)
        task.add_done_callback(telling.discard)

    return tell


async def _quietly(told: Awaitable[None]) -> None:
    with contextlib.suppress(*UNREACHABLE):
        await told


async def _register(services: Services, infer: Infer) -> None:
    try:
        await routing.register(services, infer.available)
    except db.UNAVAILABLE as error:  # the models can serve; routes can name what another worker has found
        log.warning("versions not written down", error=type(error).__name__)


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
