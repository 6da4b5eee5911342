"""What publishing works with."""

from dataclasses import dataclass

from orchestrator import db
from orchestrator.inference.triton import TritonInfer
from orchestrator.publishing.repository import Repository
from orchestrator.publishing.triton_control import TritonControl
from orchestrator.services import Services


@dataclass(frozen=True)
class Publisher:
    """What publishing works with: rows, the repository, the servers that serve it, the networks as jobs see them."""

    services: Services
    repository: Repository
    control: TritonControl
    infer: TritonInfer


async def version_in_use(publisher: Publisher, model: str) -> str:
    """The version that most jobs are served by."""
    async with publisher.services.db() as session:
        route = (await db.rollout.current_routes(session)).get(model)
    return max(route.shares, key=lambda v: route.shares[v]) if route else publisher.infer.versions[model]
