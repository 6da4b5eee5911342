"""Which language a request is answered in."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.words import catalogue


class Languages:
    """Sets the language of everything that is said in the answer, from Accept-Language, and names it in the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer. Every request has a task of its own, so that its language is not another one's."""
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        language = catalogue.preferred(Headers(scope=scope).get("accept-language"))
        catalogue.current.set(language)

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start" and scope["path"].removeprefix(scope["root_path"]).startswith(
                "/api/"
            ):
                headers = MutableHeaders(scope=message)
                headers.add_vary_header("Accept-Language")
                if language != catalogue.ENGLISH:
                    headers["Content-Language"] = language
            await send(message)

        await self._app(scope, receive, send_named)
