"""What has been used: by the caller, and for operators by tenant."""

from typing import Annotated

from fastapi import APIRouter, Query

from orchestrator import db
from orchestrator.api.dependencies import CurrentUser, Open, UsageReader
from orchestrator.api.schemas.common import problems
from orchestrator.api.schemas.usage import TenantUsageList, UsageList

router = APIRouter(prefix="/api/v1/usage", tags=["usage"], responses=problems(401, 421))
Days = Annotated[int, Query(ge=1, le=366, description="Today (UTC) and the days before it.")]


@router.get("")
async def usage(services: Open, user: CurrentUser, days: Days = 30) -> UsageList:
    """The caller's jobs, seconds of models and uploaded bytes, by day."""
    async with services.db() as session:
        return UsageList.of(await db.usage.of_user(session, user, days))


@router.get("/tenants", responses=problems(403))
async def usage_by_tenant(services: Open, reader: UsageReader, days: Days = 30) -> TenantUsageList:
    """The same for every tenant, by the claim of their users' tokens; needs the scope usage:read."""
    async with services.db() as session:
        return TenantUsageList.of(await db.usage.by_tenant(session, days))
