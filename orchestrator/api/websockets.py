"""The WebSocket alias of the progress streams: the same messages, the same rules."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query, WebSocket, WebSocketDisconnect

from orchestrator.api.dependencies import InQuery, authenticate_stream, bearer_token
from orchestrator.api.errors import UNAVAILABLE, UNAVAILABLE_DETAIL
from orchestrator.api.feeds import SEND_TIMEOUT_S, Feed, job_feed, user_feed
from orchestrator.api.places import hold_place
from orchestrator.errors import IrisvueError
from orchestrator.observability.logs import log
from orchestrator.privacy import audit_log
from orchestrator.progress.hub import Draining, Mark
from orchestrator.services import Services
from orchestrator.words.catalogue import translated

router = APIRouter(tags=["progress"])
NO_UPGRADE = (
    "This is the address of a WebSocket, and no Upgrade header came with the request. If a WebSocket was opened, a "
    "proxy in between took the header away: let it pass on Upgrade and Connection."
)


@router.websocket("/ws/jobs/{job_id}")
async def websocket(
    socket: WebSocket,
    job_id: UUID,
    token: InQuery = None,
    ticket: InQuery = None,
    last_event_id: Annotated[str | None, Query(max_length=64)] = None,
) -> None:
    """The messages of one job over a WebSocket, each with its id as `event_id`. Close codes: 4000 + the HTTP status."""
    await _serve(socket, job_id, token, ticket, last_event_id)


@router.websocket("/ws/jobs")
async def user_websocket(
    socket: WebSocket,
    token: InQuery = None,
    ticket: InQuery = None,
    last_event_id: Annotated[str | None, Query(max_length=64)] = None,
) -> None:
    """All of the caller's jobs over one WebSocket."""
    await _serve(socket, None, token, ticket, last_event_id)


@router.get("/ws/{_:path}", include_in_schema=False)
async def no_websocket(_: str) -> None:
    """Say what is wrong with a plain request, which is what a WebSocket's becomes in a proxy that drops `Upgrade`."""
    raise HTTPException(426, NO_UPGRADE, {"Upgrade": "websocket", "Connection": "Upgrade"})


async def _serve(
    socket: WebSocket, job_id: UUID | None, token: str | None, ticket: str | None, after: str | None
) -> None:
    services: Services = socket.app.state.services
    scheme, offered = _bearer_subprotocol(socket)
    await socket.accept(subprotocol=scheme)
    bearer = bearer_token(socket.headers.get("authorization")) or offered
    try:
        user = await authenticate_stream(services, bearer, token, ticket, job_id)
        feed = await (job_feed(services, user, job_id, after) if job_id else user_feed(services, user, after))
        await audit_log.record(services, user, "stream", job_id or audit_log.ALL)
        place = await hold_place(services, user)
    except UNAVAILABLE as error:
        log.error("unavailable", path=socket.url.path, exc_info=error)
        await socket.close(4503, translated(UNAVAILABLE_DETAIL))
        return
    except IrisvueError as error:
        await socket.close(4000 + error.status, _reason(translated(error.detail)))
        return
    async with _interrupted_by_disconnect(socket, feed):
        try:
            async with place:
                await _send_all(socket, feed)
            await socket.close()
        except Draining:
            await socket.close(1012, "This server restarts. Connect again.")
        except (TimeoutError, WebSocketDisconnect, RuntimeError):
            pass  # disconnected, or does not read
        finally:
            await feed.aclose()


def _reason(words: str) -> str:
    """The words, cut to what a close frame holds: 123 bytes."""
    return words.encode()[:120].decode(errors="ignore")


def _bearer_subprotocol(socket: WebSocket) -> tuple[str | None, str | None]:
    """The scheme as it was written, and the token, of `new WebSocket(url, ["bearer", token])`.

    A browser's WebSocket can send no other header, and drops the connection unless one of its subprotocols is accepted.
    """
    match socket.scope["subprotocols"]:
        case [scheme, token] if scheme.lower() == "bearer":
            return scheme, token
    return None, None


async def _send_all(socket: WebSocket, feed: Feed) -> None:
    async for event in feed:
        async with asyncio.timeout(SEND_TIMEOUT_S):
            # Pings would keep the connection open, but a browser's program does not see them.
            await socket.send_text(event.websocket if event else feed.heartbeat)


@asynccontextmanager
async def _interrupted_by_disconnect(socket: WebSocket, feed: Feed) -> AsyncIterator[None]:
    disconnecting = asyncio.create_task(_wait_for_disconnect(socket, feed))
    try:
        yield
    finally:
        disconnecting.cancel()


async def _wait_for_disconnect(socket: WebSocket, feed: Feed) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass  # whatever clients send, of whatever kind, means nothing
    feed.interrupt(Mark.DISCONNECTED)
