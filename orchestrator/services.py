"""Opens and closes the clients that use cases work with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from arq.connections import ArqRedis

from orchestrator import db
from orchestrator.config import Settings
from orchestrator.db import Sessions, open_database
from orchestrator.progress.hub import Hub
from orchestrator.queue import open_queue
from orchestrator.storage import Storage


@dataclass(frozen=True)
class Services:
    """The clients that use cases work with. `redis` holds both the queue and the progress events."""

    settings: Settings
    db: Sessions
    redis: ArqRedis
    storage: Storage
    hub: Hub


@asynccontextmanager
async def open_services(settings: Settings, listen: bool = False, patient: bool = True) -> AsyncIterator[Services]:
    """Open the clients, with `listen` the event hub too (API processes). Raises SetupError if Redis does not answer."""
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
    """Raises SetupError unless Redis answers, without which no process starts; and where the database refuses us.

    A database that does not answer yet stops nothing.
    """
    await (await open_queue(settings)).aclose()
    await db.refuses_nothing(settings.database_url)
