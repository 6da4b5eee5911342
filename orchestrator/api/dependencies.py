"""Who is calling, and what the handlers work with."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from orchestrator.auth import user_of
from orchestrator.errors import Unauthorized
from orchestrator.services import Services

_bearer = HTTPBearer(auto_error=False, description="A JWT whose `sub` is the user's id (UUID); `exp` is required.")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def services_of(request: Request) -> Services:
    """The process's open clients."""
    found: Services = request.app.state.services
    return found


Open = Annotated[Services, Depends(services_of)]


async def authenticate(services: Services, token: str | None) -> UUID:
    """The user id in a token; asks the JWKS address off the event loop. Raises Unauthorized."""
    if not token:
        raise Unauthorized
    if services.settings.jwks_url:
        return await asyncio.to_thread(user_of, token, services.settings)
    return user_of(token, services.settings)


async def current_user(services: Open, bearer: Bearer) -> UUID:
    """The caller, from the Authorization header."""
    return await authenticate(services, bearer.credentials if bearer else None)


async def streaming_user(
    services: Open,
    bearer: Bearer,
    token: Annotated[str | None, Query(description="For clients that can't send headers.")] = None,
) -> UUID:
    """The caller of a stream, from the header or the query."""
    return await authenticate(services, bearer.credentials if bearer else token)


CurrentUser = Annotated[UUID, Depends(current_user)]
StreamingUser = Annotated[UUID, Depends(streaming_user)]
