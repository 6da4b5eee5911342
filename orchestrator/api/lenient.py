"""Takes requests as HTTP libraries, load balancers and proxies write them."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

SLASHES = re.compile("/{2,}")
ENDLESS = "/events"  # a stream has no answer that ends, and so none to HEAD


class Lenient:
    """Answers HEAD as GET, without the body, which the server leaves out; and takes a path with slashes too many.

    A redirect instead would name the address that this process sees: behind a proxy without TLS, and the client would
    send its token there once more.

    `prefix` is the public address's own path: requests come with it or, from a proxy that takes it away, without.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app, self._prefix = app, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] in ("http", "websocket"):
            path = SLASHES.sub("/", scope["path"]).rstrip("/") or "/"
            if self._prefix and not f"{path}/".startswith(f"{self._prefix}/"):
                path = self._prefix + path
            scope = dict(scope) | {"path": path if path != self._prefix else f"{path}/"}
            if scope.get("method") == "HEAD" and not path.endswith(ENDLESS):
                scope["method"] = "GET"
        await self._app(scope, receive, send)
