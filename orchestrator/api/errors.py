"""Errors as application/problem+json."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from orchestrator import db
from orchestrator.api import request_ids
from orchestrator.api.request_faults import words_for, words_for_body
from orchestrator.api.schemas.common import Problem
from orchestrator.errors import IrisvueError, TooLarge, TooMany, TooSlow
from orchestrator.observability.logs import log
from orchestrator.progress.events import UNREACHABLE
from orchestrator.words.catalogue import translated

BUSY_RETRY_S = 5
UNAVAILABLE = (*db.UNAVAILABLE, *UNREACHABLE)
UNAVAILABLE_DETAIL = "A part of the service can't be reached. Please try again."


def problem(status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An application/problem+json answer."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=translated(detail), code=code)
    all_headers = dict(headers or {}) | ({"WWW-Authenticate": "Bearer"} if status == 401 else {})
    if status == 503:
        all_headers["Retry-After"] = str(BUSY_RETRY_S)
    return JSONResponse(body.model_dump(), status, all_headers, media_type="application/problem+json")


async def answer_error(request: Request, error: Exception) -> JSONResponse:
    """The answer to a request that raised an error. Tracebacks go to the log only."""
    if isinstance(error, RequestValidationError):
        return problem(422, "invalid_request", words_for(request, error))
    if isinstance(error, HTTPException):
        codes = {413: TooLarge.code, 408: TooSlow.code}
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        return problem(
            error.status_code,
            codes.get(error.status_code, code),
            words_for_body(request, str(error.detail)),
            error.headers,
        )
    if isinstance(error, UNAVAILABLE):
        log.error("unavailable", path=request.url.path, exc_info=error)
        return problem(503, "unavailable", UNAVAILABLE_DETAIL)
    if not isinstance(error, IrisvueError):
        log.error("unexpected", path=request.url.path, exc_info=error)
        return problem(500, "internal", IrisvueError().detail, _origin_headers(request) | request_ids.header())
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, TooMany) else None
    return problem(error.status, error.code, error.detail, headers)


def _origin_headers(request: Request) -> dict[str, str]:
    """What lets a page of an allowed origin read the answer, where no middleware adds it: outside of all of them."""
    origin = request.headers.get("origin")
    if not origin or not request.app.state.settings.allows_origin(origin):
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": request_ids.HEADER,
        "Vary": "Origin",
    }
