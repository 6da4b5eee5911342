"""Models, their versions and their routes."""

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field, StringConstraints

from orchestrator.db.tables import ModelRoute, ModelVersion
from orchestrator.rollout import routing

Version = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,8}$")]


class VersionResponse(BaseModel):
    """A version of a model. Once withdrawn, no route may name it; an experimental one may only be a shadow."""

    version: str
    sha256: str | None
    card: str | None
    scores: dict[str, float] | None
    published_by: str
    published_at: datetime
    withdrawn_at: datetime | None
    experimental: bool

    @classmethod
    def of(cls, row: ModelVersion) -> Self:
        """Build the answer."""
        values = {name: getattr(row, name) for name in cls.model_fields if name != "version"}
        return cls(version=str(row.version), **values)


class RouteResponse(BaseModel):
    """The percentage of jobs for each version; the guard compares the others with the version `baseline`."""

    shares: dict[str, int]
    shadow: str | None
    baseline: str
    set_by: str
    set_at: datetime
    reason: str

    @classmethod
    def of(cls, row: ModelRoute) -> Self:
        """Build the answer."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class ModelResponse(BaseModel):
    """A model. Without a route, its newest version serves every job."""

    name: str
    versions: list[VersionResponse]
    route: RouteResponse | None

    @classmethod
    def of(cls, model: routing.ModelOverview) -> Self:
        """Build the answer."""
        route = RouteResponse.of(model.route) if model.route else None
        return cls(name=model.name, versions=[VersionResponse.of(row) for row in model.versions], route=route)


class ModelList(BaseModel):
    """Every model."""

    models: list[ModelResponse]


class RouteRequest(BaseModel):
    """The percentage of jobs for each version, 100 in all. Jobs that have begun keep their version."""

    shares: dict[Version, Annotated[int, Field(ge=1, le=100)]] = Field(
        min_length=1, max_length=20, examples=[{"2": 90, "3": 10}]
    )
    reason: str = Field(default="", max_length=500, pattern=r"^[^\x00]*$")
