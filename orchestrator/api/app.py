"""The FastAPI application: lifespan, routers, middleware, error handlers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from orchestrator import __version__
from orchestrator.api import (
    account,
    devices,
    health,
    jobs,
    models,
    objects,
    operator_jobs,
    page,
    photos,
    shares,
    streams,
    usage,
    webhooks,
    websockets,
)
from orchestrator.api.body_limit import MULTIPART_BYTES, BodyLimit
from orchestrator.api.compression import Compression
from orchestrator.api.errors import UNAVAILABLE, answer_error
from orchestrator.api.heads import Heads
from orchestrator.api.languages import Languages
from orchestrator.api.lenient import Lenient
from orchestrator.api.origins import Origins
from orchestrator.api.request_ids import RequestIds
from orchestrator.api.schemas.common import Problem, problems
from orchestrator.api.schemas.streams import ProgressMessage
from orchestrator.api.streams import SERVER_SEND
from orchestrator.config import Settings, settings
from orchestrator.errors import IrisvueError
from orchestrator.observability.logs import configure_logging
from orchestrator.observability.tracing import trace_requests
from orchestrator.services import open_services
from orchestrator.words.catalogue import languages


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with open_services(app.state.settings, listen=True) as services:
        app.state.services = services
        yield


class App(FastAPI):
    """FastAPI whose OpenAPI document also holds the schemas of errors and of progress messages."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer. What the server itself sends with is kept for streams (streams.py)."""
        scope[SERVER_SEND] = send
        try:
            await super().__call__(scope, receive, send)
        finally:
            del scope[SERVER_SEND]  # uvicorn's has the scope, so that only a garbage collection would free them

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        for model in (Problem, ProgressMessage):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            document["components"]["schemas"] |= schema.pop("$defs", {}) | {model.__name__: schema}
        return document


def create_app(config: Settings | None = None) -> FastAPI:
    """The application for these settings, by default those of the environment (uvicorn --factory)."""
    config = config or settings()
    configure_logging(config.log_level)
    app = App(
        title="Irisvue",
        version=__version__,
        description="A phone photo of an eye goes in, a finished iris picture comes out, with live progress. "
        f"Sentences for people follow Accept-Language ({', '.join(sorted(languages()))}); codes never change.",
        lifespan=_lifespan,
        root_path=(prefix := urlsplit(config.public_url).path.rstrip("/")),
        redirect_slashes=False,
        responses=problems(400, 408, 422, 500, 503),
    )
    if config.otlp_endpoint:
        trace_requests(app)
    for kind in (IrisvueError, RequestValidationError, HTTPException, *UNAVAILABLE, Exception):
        app.add_exception_handler(kind, answer_error)
    app.state.settings = config
    app.add_middleware(Languages)
    app.add_middleware(Compression)
    app.add_middleware(Heads)
    max_bytes = config.max_upload_bytes + MULTIPART_BYTES
    app.add_middleware(BodyLimit, max_bytes=max_bytes, timeout_s=config.body_timeout_s)
    app.add_middleware(Origins, settings=config)
    app.add_middleware(Lenient, prefix=prefix)
    app.add_middleware(RequestIds)  # the last one added is the outermost
    for router in (
        health.router,
        photos.router,
        objects.router,
        jobs.router,
        streams.router,
        websockets.router,
        models.router,
        webhooks.router,
        devices.router,
        account.router,
        shares.router,
        shares.public,
        usage.router,
        operator_jobs.router,
        page.router,
    ):
        app.include_router(router)
    app.mount("/web", page.PageFiles(config), name="web")
    return app
