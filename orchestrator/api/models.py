"""Models, for operators: which versions exist, and which version serves which share of the jobs."""

from typing import Annotated

from fastapi import APIRouter, Path

from orchestrator.api.dependencies import ModelOperator, Open
from orchestrator.api.schemas.common import problems
from orchestrator.api.schemas.models import ModelList, ModelResponse, RouteRequest, RouteResponse
from orchestrator.rollout import routing

router = APIRouter(prefix="/api/v1/models", tags=["models"], responses=problems(401, 403))
Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]


@router.get("")
async def list_models(services: Open, user: ModelOperator) -> ModelList:
    """Every model with its versions and its route."""
    return ModelList(models=[ModelResponse.of(model) for model in await routing.overview(services)])


@router.put("/{name}/route", responses=problems(404, 409))
async def set_route(services: Open, user: ModelOperator, name: Name, body: RouteRequest) -> RouteResponse:
    """Choose which versions serve which percentage of the jobs; it holds from the next job on."""
    route = await routing.set_route(services, name, routing.Shares(body.shares), str(user), body.reason)
    return RouteResponse.of(route)


@router.post("/{name}/rollback", responses=problems(404, 409))
async def rollback(services: Open, user: ModelOperator, name: Name) -> RouteResponse:
    """Go back to the shares before the present ones; nothing is loaded or unloaded."""
    return RouteResponse.of(await routing.rollback(services, name, str(user)))
