"""Answers in text are compressed for clients that can read it. Streams never: a compressor holds events back.

Nothing that is signed or secret is chosen by somebody else and sent in one answer with it, and no cookie is in use, so
that the sizes of answers betray nothing (BREACH).
"""

import gzip
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MIN_BYTES = 1000
LEVEL = 5
TEXT = re.compile(r"(text/(?!event-stream)|application/(json|problem\+json|javascript|manifest\+json)|image/svg)")


class Compression:
    """Gzip for whole answers in text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http" or not _takes_gzip(Headers(scope=scope).get("accept-encoding", "")):
            return await self._app(scope, receive, send)
        start: Message = {}
        parts: list[bytes] = []

        async def send_compressed(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_text(message):
                start = message  # held until its body is known
            elif message["type"] == "http.response.body" and start:
                parts.append(message.get("body", b""))
                if not message.get("more_body"):
                    body = _compressed(start, b"".join(parts))  # changes the headers, too
                    await send(start)
                    await send({"type": "http.response.body", "body": body})
            else:
                await send(message)

        await self._app(scope, receive, send_compressed)


def _takes_gzip(accepted: str) -> bool:
    return any(re.fullmatch(r"\s*(gzip|\*)\s*(;\s*q=(1|0?\.\d*[1-9]\d*).*)?", part) for part in accepted.split(","))


def _is_text(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    kind = TEXT.match(headers.get("content-type", ""))
    return bool(kind) and "content-encoding" not in headers and "no-transform" not in headers.get("cache-control", "")


def _compressed(start: Message, body: bytes) -> bytes:
    headers = MutableHeaders(scope=start)
    headers.add_vary_header("Accept-Encoding")
    if len(body) < MIN_BYTES:
        return body
    small = gzip.compress(body, LEVEL, mtime=0)
    headers["Content-Encoding"], headers["Content-Length"] = "gzip", str(len(small))
    if etag := headers.get("etag"):
        headers["ETag"] = f"W/{etag.removeprefix('W/')}"  # the same file, other bytes
    return small
