"""A name for each request: in every answer, and in every log line that the request causes in this process."""

import re
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "X-Request-ID"
PLAUSIBLE = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIds:
    """Takes the caller's X-Request-ID, or one of its own where there is none or one that doesn't belong in a log."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and name it in the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        request_id = given if PLAUSIBLE.fullmatch(given) else uuid4().hex
        structlog.contextvars.bind_contextvars(request_id=request_id)  # each request has a context of its own

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = request_id
            await send(message)

        await self._app(scope, receive, named)


def header() -> dict[str, str]:
    """The header of this request's answer, for answers that are made outside of the middleware."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    return {HEADER: request_id} if request_id else {}
