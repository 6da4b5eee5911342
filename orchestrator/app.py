"""The FastAPI application: lifespan, routes, one error handler, a limit on bodies."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator import __version__, store
from orchestrator.api import health, jobs, models, notices, page, photos, streams
from orchestrator.api.schemas import Problem, ProgressMessage, problems
from orchestrator.config import Settings, settings
from orchestrator.errors import IrisvueError, TooLarge, TooMany, TooSlow, classify
from orchestrator.progress import UNREACHABLE
from orchestrator.services import open_services
from orchestrator.telemetry import configure_logging, log
from orchestrator.tracing import trace_requests

MULTIPART_BYTES = 64 * 1024  # what multipart adds to a file
BUSY_RETRY_S = 5
AWAY = (*store.AWAY, *UNREACHABLE)


class BodyLimit:
    """Answers 413 as soon as a body is, or says it will be, larger than an upload may be; 408 where it trickles in."""

    def __init__(self, app: ASGIApp, limit: int, timeout_s: float) -> None:
        self._app, self._limit, self._timeout_s = app, limit, timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what arrives, and how long it takes."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        arrived, complete = 0, False

        async def counted() -> Message:
            nonlocal arrived, complete
            if complete:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, TooSlow().detail, {"Connection": "close"}) from None
            arrived += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if arrived > self._limit or (declared.isdigit() and int(declared) > self._limit):
                raise HTTPException(413, f"The file is larger than {self._limit // 2**20} MB.")
            return message

        await self._app(scope, counted, send)


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
    if isinstance(error, AWAY):
        log.error("unavailable", path=request.url.path, exc_info=error)
        return problem(503, "unavailable", "A part of the service can't be reached. Please try again.")
    found = classify(error)
    if not isinstance(error, IrisvueError):
        log.error("unexpected", path=request.url.path, exc_info=error)
        return problem(500, "internal", IrisvueError().detail)
    headers = {"Retry-After": str(found.retry_after_s)} if isinstance(found, TooMany) else None
    return problem(found.status, found.code, found.detail, headers)


def _lifespan(config: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_services(config, listen=True) as services:
            app.state.services = services
            yield

    return lifespan


class Irisvue(FastAPI):
    """FastAPI, with the errors' schema in the OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """The document."""
        found = super().openapi()
        for model in (Problem, ProgressMessage):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            found["components"]["schemas"] |= schema.pop("$defs", {}) | {model.__name__: schema}
        return found


def create_app(config: Settings | None = None) -> FastAPI:
    """The application for these settings, or for those of the environment (uvicorn --factory)."""
    config = config or settings()
    configure_logging(config.log_level)
    app = Irisvue(
        title="Irisvue",
        version=__version__,
        description="A phone photo of an eye goes in, a finished iris picture comes out, with live progress.",
        lifespan=_lifespan(config),
        responses=problems(400, 408, 422, 500, 503),
    )
    if config.otlp_endpoint:
        trace_requests(app)
    for kind in (
        IrisvueError,
        RequestValidationError,
        HTTPException,
        *AWAY,
        Exception,
    ):
        app.add_exception_handler(kind, answer_error)
    app.state.settings = config
    limit = config.max_upload_bytes + MULTIPART_BYTES
    app.add_middleware(BodyLimit, limit=limit, timeout_s=config.body_timeout_s)
    app.add_middleware(
        CORSMiddleware,
        allow_origins=[origin.strip() for origin in config.cors_origins.split(",") if origin.strip()],
        allow_methods=["GET", "POST", "PUT", "DELETE"],
        allow_headers=["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID"],
        expose_headers=["Retry-After"],
        max_age=3600,
    )
    for router in (
        health.router,
        photos.router,
        photos.objects,
        jobs.router,
        streams.router,
        models.router,
        notices.router,
        page.router,
    ):
        app.include_router(router)
    app.mount("/web", page.PageFiles(config), name="web")
    return app
