"""How large a request body may be, and how long it may take to arrive."""

import asyncio

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.errors import TooSlow

MULTIPART_BYTES = 64 * 1024  # what a multipart form adds to its file


class BodyLimit:
    """Answers 413 to a body that is too large, or announced as too large, and 408 to one that arrives too slowly."""

    def __init__(self, app: ASGIApp, max_bytes: int, timeout_s: float) -> None:
        self._app, self._max_bytes, self._timeout_s = app, max_bytes, timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting the bytes of its body and the time that they take."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        declared, asks = headers.get(b"content-length", b"0"), b"expect" in headers
        deadline = asyncio.get_running_loop().time() + self._timeout_s
        arrived, complete = 0, False

        async def counted() -> Message:
            nonlocal arrived, complete
            if complete:
                return await receive()
            if declared.isdigit() and int(declared) > self._max_bytes:
                raise self._too_large(closing=asks)  # who asks first sends nothing of it
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, TooSlow().detail, {"Connection": "close"}) from None
            arrived += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if arrived > self._max_bytes:
                raise self._too_large()
            return message

        await self._app(scope, counted, send)

    def _too_large(self, closing: bool = False) -> HTTPException:
        """Only who sends nothing more gets the answer on a connection that is closed."""
        headers = {"Connection": "close"} if closing else None
        return HTTPException(413, f"The file is larger than {self._max_bytes // 2**20} MB.", headers)
