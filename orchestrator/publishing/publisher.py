"""What publishing works with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from orchestrator import db
from orchestrator.errors import Conflict
from orchestrator.inference.triton import TritonInfer
from orchestrator.publishing.repository import Repository
from orchestrator.publishing.triton_control import TritonControl
from orchestrator.services import Services


@dataclass(frozen=True)
class Effort:
    """How much a comparison does: timed calls for each golden picture, and pictures through the whole chain."""

    repeats: int = 3
    chain_pictures: int = 8


@dataclass(frozen=True)
class Publisher:
    """What publishing works with: rows, the model repository, the Triton servers, the networks as jobs see them."""

    services: Services
    repository: Repository
    control: TritonControl
    infer: TritonInfer
    effort: Effort = Effort()


@asynccontextmanager
async def publishing_alone(publisher: Publisher, model: str) -> AsyncIterator[None]:
    """Hold the lock for changes of the model's versions. Raises Conflict where it is taken."""
    async with publisher.services.db.begin() as session:
        if not await db.rollout.try_lock_publishing(session, model):
            raise Conflict(f"Another process is publishing {model} now. Try again when it has finished.")
        yield


async def version_in_use(publisher: Publisher, model: str) -> str:
    """The version that serves most jobs."""
    async with publisher.services.db() as session:
        route = (await db.rollout.current_routes(session)).get(model)
    return max(route.shares, key=lambda v: route.shares[v]) if route else publisher.infer.versions[model]
