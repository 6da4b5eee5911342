"""Which web pages of other origins may call the API, and a word in the log about those that may not."""

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from orchestrator.api.request_ids import HEADER
from orchestrator.config import Settings
from orchestrator.observability.logs import log

REMEMBERED = 100  # refused origins, each of which is logged once


class Origins(CORSMiddleware):
    """CORS by the settings. A browser says nothing of why it was refused, so the log does."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        super().__init__(
            app,
            allow_origins=settings.allowed_origins,
            allow_origin_regex=settings.allowed_origin_pattern,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["*"],  # libraries for streams, traces and error reports add their own; no cookie is in use
            expose_headers=["Retry-After", HEADER],
            max_age=3600,
        )
        public = urlsplit(settings.public_url)
        self._own = f"{public.scheme}://{public.netloc}"
        self._refused: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] == "http" and (origin := Headers(scope=scope).get("origin")):
            self._note(origin, Headers(scope=scope).get("host", ""))
        await super().__call__(scope, receive, send)

    def _note(self, origin: str, host: str) -> None:
        own = origin == self._own or urlsplit(origin).netloc == host
        if own or self.is_allowed_origin(origin) or origin in self._refused or len(self._refused) >= REMEMBERED:
            return
        self._refused.add(origin)
        log.warning("origin refused: to allow it, name it in IRISVUE_CORS_ORIGINS", origin=origin[:200])
