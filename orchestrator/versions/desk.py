"""What publishing works with."""

from dataclasses import dataclass

from orchestrator import store
from orchestrator.inference.triton import TritonInfer
from orchestrator.services import Services
from orchestrator.versions.repository import Repository
from orchestrator.versions.server import Servers


@dataclass(frozen=True)
class Desk:
    """What publishing works with: rows, the repository, the servers that serve it, the networks as jobs see them."""

    services: Services
    repository: Repository
    servers: Servers
    infer: TritonInfer


async def in_use(desk: Desk, model: str) -> str:
    """The version that most jobs are served by."""
    async with desk.services.db() as db:
        route = (await store.current_routes(db)).get(model)
    return max(route.shares, key=lambda v: route.shares[v]) if route else desk.infer.versions[model]
