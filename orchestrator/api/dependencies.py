"""Who is calling, and what the handlers work with."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from orchestrator.auth import tickets
from orchestrator.auth.tokens import MODELS_WRITE, Caller, caller_of
from orchestrator.errors import Forbidden, Unauthorized
from orchestrator.services import Services

_bearer = HTTPBearer(auto_error=False, description="A JWT whose `sub` is the user's id (UUID); `exp` is required.")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
IdempotencyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[!-~]+$",
        description="The same key and body within 24 h gives the first answer again; another body 409.",
    ),
]


def services_of(request: Request) -> Services:
    """The process's open clients."""
    found: Services = request.app.state.services
    return found


Open = Annotated[Services, Depends(services_of)]


async def authenticate(services: Services, token: str | None) -> UUID:
    """The user id in a token. Raises Unauthorized."""
    return (await _caller(services, token)).user


async def _caller(services: Services, token: str | None) -> Caller:
    """Who calls; asks the JWKS address off the event loop."""
    if not token:
        raise Unauthorized
    if services.settings.jwks_url:
        return await asyncio.to_thread(caller_of, token, services.settings)
    return caller_of(token, services.settings)


async def operator_of_models(services: Open, bearer: Bearer) -> UUID:
    """The caller, whose token must have the scope models:write. Raises Unauthorized, Forbidden."""
    caller = await _caller(services, bearer.credentials if bearer else None)
    if MODELS_WRITE not in caller.scopes:
        raise Forbidden(f"This needs a token with the scope {MODELS_WRITE}.")
    return caller.user


async def caller_now(services: Open, bearer: Bearer) -> Caller:
    """The caller with the scopes, from the Authorization header. Raises Unauthorized."""
    return await _caller(services, bearer.credentials if bearer else None)


async def current_user(services: Open, bearer: Bearer) -> UUID:
    """The caller, from the Authorization header."""
    return await authenticate(services, bearer.credentials if bearer else None)


async def authenticate_stream(services: Services, token: str | None, ticket: str | None, job_id: UUID | None) -> UUID:
    """The caller of a stream: by token, or by a ticket for exactly this stream. Raises Unauthorized."""
    if token or not ticket:
        return await authenticate(services, token)
    user = await tickets.redeem(services.redis, ticket, job_id)
    if user is None:
        raise Unauthorized("The ticket has expired, has been used, or is for another stream. Ask for a new one.")
    return user


InQuery = Annotated[str | None, Query(max_length=8192, description="For clients that can't send headers.")]


async def streaming_user(
    services: Open, bearer: Bearer, job_id: UUID, token: InQuery = None, ticket: InQuery = None
) -> UUID:
    """The caller of a job's stream, from the header or the query."""
    return await authenticate_stream(services, bearer.credentials if bearer else token, ticket, job_id)


async def user_streaming(services: Open, bearer: Bearer, token: InQuery = None, ticket: InQuery = None) -> UUID:
    """The caller of the stream of all of a user's jobs."""
    return await authenticate_stream(services, bearer.credentials if bearer else token, ticket, None)


CurrentUser = Annotated[UUID, Depends(current_user)]
CallerNow = Annotated[Caller, Depends(caller_now)]
ModelOperator = Annotated[UUID, Depends(operator_of_models)]
JobStreamingUser = Annotated[UUID, Depends(streaming_user)]
UserStreamingUser = Annotated[UUID, Depends(user_streaming)]
