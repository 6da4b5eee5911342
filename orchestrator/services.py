"""Opens and closes every client; the only wiring."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from arq.connections import ArqRedis

from orchestrator.config import Settings
from orchestrator.db import Sessions, open_database
from orchestrator.progress.hub import Hub
from orchestrator.queue import open_queue
from orchestrator.storage import Storage


@dataclass(frozen=True)
class Services:
    """What the use cases need. `redis` is both the queue and the home of progress events."""

    settings: Settings
    db: Sessions
    redis: ArqRedis
    storage: Storage
    hub: Hub


@asynccontextmanager
async def open_services(settings: Settings, listen: bool = False, patient: bool = True) -> AsyncIterator[Services]:
    """Open the clients; with `listen` also the event hub (API processes). Raises SetupError when Redis is away."""
    async with open_database(settings.database_url) as sessions:
        redis = await open_queue(settings, patient)
        hub = Hub(redis)
        try:
            if listen:
                await hub.open()
            yield Services(settings, sessions, redis, Storage(settings), hub)
        finally:
            await hub.aclose()
            await redis.aclose()


async def reach(settings: Settings) -> None:
    """Raises SetupError unless Redis answers: without it no process of ours starts."""
    await (await open_queue(settings)).aclose()
