"""What handlers get from FastAPI: the open clients, and who is calling."""

import asyncio
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Header, Query, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param

from orchestrator.auth import tickets
from orchestrator.auth.tokens import JOBS_ALL, MODELS_WRITE, USAGE_READ, Caller, caller_of
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
    services: Services = request.app.state.services
    return services


Open = Annotated[Services, Depends(services_of)]


async def authenticate(services: Services, token: str | None) -> UUID:
    """The user whom a token names. Raises Unauthorized."""
    return (await _caller(services, token)).user


async def _caller(services: Services, token: str | None) -> Caller:
    """Who is calling. Reads the keys from a JWKS address off the event loop."""
    if not token:
        raise Unauthorized
    if services.settings.jwks_url:
        return await asyncio.to_thread(caller_of, token, services.settings)
    return caller_of(token, services.settings)


async def model_operator(services: Open, bearer: Bearer) -> UUID:
    """The caller's id; the token must have the scope models:write. Raises Unauthorized, Forbidden."""
    return await _with_scope(services, bearer, MODELS_WRITE)


async def _with_scope(services: Services, bearer: HTTPAuthorizationCredentials | None, scope: str) -> UUID:
    caller = await _caller(services, bearer.credentials if bearer else None)
    if scope not in caller.scopes:
        raise Forbidden(f"This needs a token with the scope {scope}.")
    return caller.user


async def jobs_operator(services: Open, bearer: Bearer) -> UUID:
    """The caller's id; the token must have the scope jobs:all. Raises Unauthorized, Forbidden."""
    return await _with_scope(services, bearer, JOBS_ALL)


async def usage_reader(services: Open, bearer: Bearer) -> UUID:
    """The caller's id; the token must have the scope usage:read. Raises Unauthorized, Forbidden."""
    return await _with_scope(services, bearer, USAGE_READ)


async def current_caller(services: Open, bearer: Bearer) -> Caller:
    """The caller and the token's scopes, from the Authorization header. Raises Unauthorized."""
    return await _caller(services, bearer.credentials if bearer else None)


async def current_user(services: Open, bearer: Bearer) -> UUID:
    """The caller's id, from the Authorization header. Raises Unauthorized."""
    return await authenticate(services, bearer.credentials if bearer else None)


async def authenticate_stream(
    services: Services, bearer: str | None, token: str | None, ticket: str | None, job_id: UUID | None
) -> UUID:
    """Who opens a stream: by a ticket for exactly this stream, or by a token in the header or the query.

    Raises:
        Unauthorized: none of them is valid. A header of another scheme than Bearer is somebody else's, and no error.
    """
    if ticket:
        user = await tickets.redeem(services.redis, ticket, job_id, services.settings.stream_seconds)
        if user is not None:
            return user
        if not (bearer or token):
            raise Unauthorized("The ticket has expired, or is for another stream. Ask for a new one.")
    return await authenticate(services, bearer or (token and (bearer_token(token) or token)))


def bearer_token(header: str | None) -> str | None:
    """The token in an Authorization header, whose scheme may be in upper or lower case; None for another scheme."""
    scheme, token = get_authorization_scheme_param(header)
    return token if scheme.lower() == "bearer" else None


InQuery = Annotated[str | None, Query(max_length=8192, description="For clients that can't send headers.")]


async def job_stream_user(
    services: Open, bearer: Bearer, job_id: UUID, token: InQuery = None, ticket: InQuery = None
) -> UUID:
    """Who opens the stream of one job, from the header or the query. Raises Unauthorized."""
    return await authenticate_stream(services, bearer.credentials if bearer else None, token, ticket, job_id)


async def all_jobs_stream_user(services: Open, bearer: Bearer, token: InQuery = None, ticket: InQuery = None) -> UUID:
    """Who opens the stream of all of their jobs, from the header or the query. Raises Unauthorized."""
    return await authenticate_stream(services, bearer.credentials if bearer else None, token, ticket, None)


CurrentUser = Annotated[UUID, Depends(current_user)]
CurrentCaller = Annotated[Caller, Depends(current_caller)]
JobsOperator = Annotated[UUID, Depends(jobs_operator)]
UsageReader = Annotated[UUID, Depends(usage_reader)]
ModelOperator = Annotated[UUID, Depends(model_operator)]
JobStreamUser = Annotated[UUID, Depends(job_stream_user)]
AllJobsStreamUser = Annotated[UUID, Depends(all_jobs_stream_user)]
