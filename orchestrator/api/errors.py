"""Errors as application/problem+json. Tracebacks go to the log only."""

from collections.abc import Mapping
from http import HTTPStatus

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from orchestrator import db
from orchestrator.api.schemas.common import Problem
from orchestrator.errors import IrisvueError, TooLarge, TooMany, TooSlow, classify
from orchestrator.observability.logs import log
from orchestrator.progress.events import UNREACHABLE

BUSY_RETRY_S = 5
UNAVAILABLE = (*db.UNAVAILABLE, *UNREACHABLE)


def problem(status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """An application/problem+json answer."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, code=code)
    more = dict(headers or {}) | ({"WWW-Authenticate": "Bearer"} if status == 401 else {})
    if status == 503:
        more["Retry-After"] = str(BUSY_RETRY_S)
    return JSONResponse(body.model_dump(), status, more, media_type="application/problem+json")


async def answer_error(request: Request, error: Exception) -> JSONResponse:
    """Every error leaves through here; tracebacks go to the log only."""
    if isinstance(error, RequestValidationError):
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        return problem(422, "invalid_request", wrong)
    if isinstance(error, HTTPException):
        codes = {413: TooLarge.code, 408: TooSlow.code}
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        return problem(error.status_code, codes.get(error.status_code, code), str(error.detail), error.headers)
    if isinstance(error, UNAVAILABLE):
        log.error("unavailable", path=request.url.path, exc_info=error)
        return problem(503, "unavailable", "A part of the service can't be reached. Please try again.")
    found = classify(error)
    if not isinstance(error, IrisvueError):
        log.error("unexpected", path=request.url.path, exc_info=error)
        return problem(500, "internal", IrisvueError().detail)
    headers = {"Retry-After": str(found.retry_after_s)} if isinstance(found, TooMany) else None
    return problem(found.status, found.code, found.detail, headers)
