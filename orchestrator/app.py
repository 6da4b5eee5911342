"""The FastAPI application: lifespan, routes, one error handler, a limit on bodies."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator import __version__
from orchestrator.api import health, jobs, photos, streams
from orchestrator.api.schemas import Problem
from orchestrator.config import Settings, settings
from orchestrator.errors import IrisvueError, classify
from orchestrator.services import open_services
from orchestrator.telemetry import configure_logging, log

MULTIPART_BYTES = 64 * 1024  # what multipart adds to a file


class BodyLimit:
    """Answers 413 as soon as a body is, or says it will be, larger than an upload may be."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what arrives."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        arrived = 0

        async def counted() -> Message:
            nonlocal arrived
            message = await receive()
            arrived += len(message.get("body", b""))
            if arrived > self._limit or (declared.isdigit() and int(declared) > self._limit):
                raise HTTPException(413, f"The file is larger than {self._limit // 2**20} MB.")
            return message

        await self._app(scope, counted, send)


def problem(status: int, code: str, detail: str) -> JSONResponse:
    """An application/problem+json answer."""
    body = Problem(title=HTTPStatus(status).phrase, status=status, detail=detail, code=code)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    return JSONResponse(body.model_dump(), status, headers, media_type="application/problem+json")


async def answer_error(request: Request, error: Exception) -> JSONResponse:
    """Every error leaves through here; tracebacks go to the log only."""
    if isinstance(error, RequestValidationError):
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        return problem(422, "invalid_request", wrong)
    if isinstance(error, HTTPException):
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        return problem(error.status_code, "too_large" if error.status_code == 413 else code, str(error.detail))
    if isinstance(error, SQLAlchemyError | OSError):
        log.error("unavailable", path=request.url.path, exc_info=error)
        return problem(503, "unavailable", "A part of the service can't be reached. Please try again.")
    found = classify(error)
    if not isinstance(error, IrisvueError):
        log.error("unexpected", path=request.url.path, exc_info=error)
        return problem(500, "internal", IrisvueError().detail)
    return problem(found.status, found.code, found.detail)


def _lifespan(config: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(config, listen=True) as services:
            app.state.services = services
            yield

    return lifespan


def create_app(config: Settings | None = None) -> FastAPI:
    """The application for these settings, or for those of the environment (uvicorn --factory)."""
    config = config or settings()
    configure_logging(config.log_level)
    errors = {code: {"model": Problem, "description": HTTPStatus(code).phrase} for code in (401, 404, 422, 503)}
    app = FastAPI(
        title="Irisvue",
        version=__version__,
        description="A phone photo of an eye goes in, a finished iris picture comes out, with live progress.",
        lifespan=_lifespan(config),
        responses=errors,  # type: ignore[arg-type]
    )
    for kind in (IrisvueError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, answer_error)
    app.add_middleware(BodyLimit, limit=config.max_upload_bytes + MULTIPART_BYTES)
    for router in (health.router, photos.router, photos.objects, jobs.router, streams.router):
        app.include_router(router)
    return app
