"""An API process that sends its streams with a class of choice: `python -m benchmarks.sse_server NAME PORT`.

All else is the service itself, with the settings of IRISVUE_*: its feeds, its hub, Redis, middleware, uvicorn's loop.
"""

import random
import resource
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, suppress
from unittest.mock import patch

import uvicorn
from sse_starlette.sse import AppStatus, EventSourceResponse, SendTimeoutError
from starlette.types import Receive, Scope, Send

from orchestrator.api import server as serving
from orchestrator.api import streams
from orchestrator.api.feeds import SEND_TIMEOUT_S, Feed
from orchestrator.config import settings
from orchestrator.embedded.ports import HOST
from orchestrator.progress.hub import Draining, Mark

NO_HEARTBEAT_S = 1e6
GRACE_S = 5.0


async def lines_of(feed: Feed, place: AbstractAsyncContextManager[None]) -> AsyncIterator[bytes]:
    """The bytes that EventStream sends for this feed."""
    try:
        async with place:
            async for event in feed:
                yield event.sse if event else b"event: heartbeat\ndata: \n\n"
    except Draining:
        yield f": reconnect\nretry: {random.randint(*streams.RECONNECT_MS)}\n\n".encode()  # noqa: S311
    finally:
        await feed.aclose()


class Library(EventSourceResponse):  # type: ignore[misc]
    """The library at its lightest: heartbeats from the feed instead of a task for pings, its end from the hub."""

    def __init__(self, feed: Feed, place: AbstractAsyncContextManager[None], data_in_heartbeats: bool) -> None:
        super().__init__(lines_of(feed, place), ping=0, sep="\n", send_timeout=SEND_TIMEOUT_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send; a client that does not read is dropped without a traceback, as EventStream does it."""
        with suppress(SendTimeoutError):
            await super().__call__(scope, receive, send)


class EndOfFeed:
    """What the library sets when the process ends: the feed then says goodbye, without a task that waits for it."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def set(self) -> None:
        """The process ends."""
        self._feed.interrupt(Mark.DRAIN)


class LibraryAlone(Library):
    """The library with its own ping every 15 seconds and its own notice of the process's end."""

    def __init__(self, feed: Feed, place: AbstractAsyncContextManager[None], data_in_heartbeats: bool) -> None:
        EventSourceResponse.__init__(
            self,
            lines_of(feed, place),
            sep="\n",
            send_timeout=SEND_TIMEOUT_S,
            shutdown_event=EndOfFeed(feed),
            shutdown_grace_period=GRACE_S,
        )


def main(name: str, port: int) -> None:
    """Serve until SIGTERM."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    config = settings()
    if name == "own":
        serving.serve(config, HOST, port)
    elif name == "library":
        AppStatus.disable_automatic_graceful_drain()
        with patch.object(streams, "EventStream", Library):
            serving.serve(config, HOST, port)
    else:
        config = config.model_copy(update={"heartbeat_s": NO_HEARTBEAT_S})
        with (
            patch.object(streams, "EventStream", LibraryAlone),
            patch.object(serving, "_Server", uvicorn.Server),
        ):
            serving.serve(config, HOST, port)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
