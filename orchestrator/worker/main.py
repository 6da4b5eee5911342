"""The worker process: wires the clients, the models and the periodic work together, and runs until it is signalled."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from uuid import UUID

import cv2
from tenacity import RetryCallState, retry, retry_if_exception, wait_fixed

from orchestrator import db
from orchestrator.config import Settings
from orchestrator.errors import IrisvueError, SetupError
from orchestrator.inference.protocol import Infer
from orchestrator.inference.provider import open_inference
from orchestrator.jobs import line, recovery
from orchestrator.notifications.dispatcher import Dispatcher
from orchestrator.observability.logs import log
from orchestrator.observability.metrics import serve_metrics
from orchestrator.pipeline.decoder import Decoder
from orchestrator.privacy import account, retention
from orchestrator.progress.events import STOP_CHANNEL
from orchestrator.progress.hub import listen
from orchestrator.rollout import guard, routing
from orchestrator.services import Services, open_services
from orchestrator.worker.backpressure import BusySignal
from orchestrator.worker.consumer import consume_until_signalled
from orchestrator.worker.context import POLL_MODELS_S, Context
from orchestrator.worker.periodic import Periodic


async def run_worker(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; see `consume_until_signalled` for what happens then."""
    cv2.setNumThreads(max(len(os.sched_getaffinity(0)) // settings.worker_jobs, 1))  # several photos share the cores
    if settings.metrics_port is not None:
        serve_metrics(settings.metrics_host, settings.metrics_port)
    async with _open_context(settings) as context, _dispatcher(context.services) as dispatcher:
        background = [
            asyncio.create_task(periodic.run(context.services)) for periodic in periodic_work(settings, dispatcher)
        ]
        background.append(asyncio.create_task(_obey_stops(context)))
        try:
            await consume_until_signalled(context)
        finally:
            for task in [*background, *([context.outage] if context.outage else [])]:
                task.cancel()


def periodic_work(settings: Settings, dispatcher: Dispatcher) -> Sequence[Periodic]:
    """What every worker does besides its jobs."""
    return (
        Periodic("sweep", settings.sweep_every_s, recovery.sweep, leader=True),
        Periodic("line", settings.line_every_s, line.look, leader=True),
        Periodic("cleanup", settings.cleanup_every_s, retention.clean_and_log, leader=True),
        Periodic("exports", settings.exports_every_s, account.make_exports),
        Periodic("guard", settings.guard_every_s, guard.guard),
        Periodic("dispatch", settings.deliver_every_s, dispatcher.send_due),
    )


@asynccontextmanager
async def _open_context(settings: Settings) -> AsyncIterator[Context]:
    async with open_services(settings) as services, AsyncExitStack() as exits:
        infer = await _wait_for_inference(settings)
        exits.push_async_callback(infer.aclose)
        infer.on_busy = BusySignal(services.redis).report
        await _register_versions(services, infer)
        decoder = Decoder(settings.worker_jobs, settings.decoder_bytes, settings.pixels_in_hand)
        yield Context(services, infer, await exits.enter_async_context(decoder))


@asynccontextmanager
async def _dispatcher(services: Services) -> AsyncIterator[Dispatcher]:
    dispatcher = Dispatcher(services)
    try:
        yield dispatcher
    finally:
        await dispatcher.aclose()


def _may_pass(error: BaseException) -> bool:
    return isinstance(error, IrisvueError) and not isinstance(error, SetupError)


def _log_first(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    if state.attempt_number == 1 and isinstance(error, IrisvueError):
        log.warning("waiting for the models", code=error.code, detail=error.detail)


@retry(retry=retry_if_exception(_may_pass), wait=wait_fixed(POLL_MODELS_S), before_sleep=_log_first, reraise=True)
async def _wait_for_inference(settings: Settings) -> Infer:
    """Wait for the models, however long it takes: in a cluster the worker may be up before they are."""
    return await open_inference(settings)


async def _register_versions(services: Services, infer: Infer) -> None:
    try:
        await routing.register(services, infer.available)
        for route in await routing.follow_releases(services, infer.available):
            log.info("route follows the release", model=route.name, shares=route.shares)
    except db.UNAVAILABLE as error:  # the models serve all the same; another worker may register the versions
        log.warning("versions not registered", error=type(error).__name__)


async def _obey_stops(context: Context) -> None:
    """Stop the work on jobs that are cancelled. A missed one is noticed at the next report or lease renewal."""
    await listen(context.services.redis, STOP_CHANNEL, lambda: None, lambda data: context.stop(UUID(data.decode())))
