"""The FastAPI application: lifespan, routers, middleware, error handlers."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from orchestrator import __version__
from orchestrator.api import devices, health, jobs, models, objects, page, photos, streams, webhooks
from orchestrator.api.body_limit import MULTIPART_BYTES, BodyLimit
from orchestrator.api.errors import UNAVAILABLE, answer_error
from orchestrator.api.schemas.common import Problem, problems
from orchestrator.api.schemas.streams import ProgressMessage
from orchestrator.config import Settings, settings
from orchestrator.errors import IrisvueError
from orchestrator.observability.logs import configure_logging
from orchestrator.observability.tracing import trace_requests
from orchestrator.services import open_services


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
        *UNAVAILABLE,
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
        objects.router,
        jobs.router,
        streams.router,
        models.router,
        webhooks.router,
        devices.router,
        page.router,
    ):
        app.include_router(router)
    app.mount("/web", page.PageFiles(config), name="web")
    return app
