"""Opens and closes every client; the only wiring."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from arq.connections import ArqRedis
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from orchestrator.config import Settings
from orchestrator.hub import Hub
from orchestrator.inference.contracts import Infer
from orchestrator.inference.local import LocalInfer
from orchestrator.inference.triton import TritonInfer
from orchestrator.queue import open_queue
from orchestrator.storage import Storage


@dataclass(frozen=True)
class Services:
    """What the use cases need. `redis` is both the queue and the home of progress events."""

    settings: Settings
    db: async_sessionmaker[AsyncSession]
    redis: ArqRedis
    storage: Storage
    hub: Hub


@asynccontextmanager
async def open_services(settings: Settings, listen: bool = False, patient: bool = True) -> AsyncIterator[Services]:
    """Open the clients; with `listen` also the event hub (API processes). Raises SetupError when Redis is away."""
    engine = create_async_engine(settings.database_url, pool_size=10, max_overflow=10, pool_pre_ping=True)
    redis = await open_queue(settings, patient)
    hub = Hub(redis)
    try:
        if listen:
            await hub.open()
        sessions = async_sessionmaker(engine, expire_on_commit=False)
        yield Services(settings, sessions, redis, Storage(settings), hub)
    finally:
        await hub.aclose()
        await redis.aclose()
        await engine.dispose()


async def reach(settings: Settings) -> None:
    """Raises SetupError unless Redis answers: without it no process of ours starts."""
    await (await open_queue(settings)).aclose()


async def open_inference(settings: Settings) -> Infer:
    """The provider that the settings name. Raises ModelUnavailable or SetupError."""
    if settings.inference == "triton":
        return await TritonInfer.connect(settings.triton_url, settings.model_timeout_s, settings.triton_try_s)
    return LocalInfer(Path(settings.model_repository))
