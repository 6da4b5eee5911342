"""Progress as Server-Sent Events and as its WebSocket alias: the same messages, the same rules."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, WebSocket, WebSocketDisconnect
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from orchestrator.api.dependencies import (
    AllJobsStreamUser,
    CurrentUser,
    InQuery,
    JobStreamUser,
    Open,
    authenticate_stream,
)
from orchestrator.api.errors import UNAVAILABLE, UNAVAILABLE_DETAIL
from orchestrator.api.feeds import Feed, hold_place, job_feed, user_feed
from orchestrator.api.schemas.common import problems
from orchestrator.api.schemas.streams import EVENT_SCHEMA, TicketRequest, TicketResponse
from orchestrator.auth import tickets
from orchestrator.errors import IrisvueError
from orchestrator.observability.logs import log
from orchestrator.privacy import audit_log
from orchestrator.progress.hub import Draining, Mark
from orchestrator.services import Services

router = APIRouter(tags=["progress"])
SEND_TIMEOUT_S = 10  # a client that does not read is dropped
RECONNECT_MS = (200, 2000)  # spread, so that the clients of a process that stops do not all come back at once
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=64)]
EVENT_STREAM = problems(401, 404, 421, 429) | {
    200: {
        "description": "`event: progress|completed|failed|cancelled`, `data:` a JSON message, `id:` for Last-Event-ID.",
        "content": {"text/event-stream": {"schema": EVENT_SCHEMA}},
    }
}


class EventStream(Response):
    """Sends a feed as Server-Sent Events.

    A process holds thousands of idle streams, so each has one task beside the request's own, to notice that its client
    disconnects, and no timer but the feed's heartbeat.
    """

    media_type = "text/event-stream"

    def __init__(self, feed: Feed, place: AbstractAsyncContextManager[None]) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._feed, self._place = feed, place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the feed ends, or the client disconnects or stops reading."""
        disconnecting = asyncio.create_task(self._wait_for_disconnect(receive))
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            async with self._place:
                async for event in self._feed:
                    await _send_part(send, event.sse if event else b": heartbeat\n\n")
            await _send_part(send, b"", more_body=False)
        except Draining:
            with suppress(TimeoutError):
                wait_ms = random.randint(*RECONNECT_MS)  # noqa: S311
                await _send_part(send, f": reconnect\nretry: {wait_ms}\n\n".encode())
                await _send_part(send, b"", more_body=False)
        except TimeoutError:
            pass  # the client does not read
        finally:
            disconnecting.cancel()
            await self._feed.aclose()

    async def _wait_for_disconnect(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._feed.interrupt(Mark.DISCONNECTED)


async def _send_part(send: Send, data: bytes, more_body: bool = True) -> None:
    """Send a part of the body. Raises TimeoutError where the client does not read."""
    async with asyncio.timeout(SEND_TIMEOUT_S):
        await send({"type": "http.response.body", "body": data, "more_body": more_body})


@router.post("/api/v1/stream-tickets", status_code=201, responses=problems(401, 404, 421))
async def stream_ticket(services: Open, user: CurrentUser, body: TicketRequest) -> TicketResponse:
    """A ticket that opens one stream within a minute, for clients that can't send headers: `?ticket=`."""
    if body.job_id:
        await job_feed(services, user, body.job_id, None)  # 404 for another user's
    ticket = await tickets.issue(services.redis, user, body.job_id)
    return TicketResponse(ticket=ticket, job_id=body.job_id, expires_in=tickets.TICKET_S)


@router.get("/api/v1/processing/events", response_class=Response, responses=EVENT_STREAM)
async def all_events(services: Open, user: AllJobsStreamUser, last_event_id: LastEventId = None) -> Response:
    """Progress of all of the caller's jobs as Server-Sent Events, resumed by `Last-Event-ID`."""
    feed = await user_feed(services, user, last_event_id)
    await audit_log.record(services, user, "stream")
    return EventStream(feed, await hold_place(services, user))


@router.get(
    "/api/v1/processing/jobs/{job_id}/events",
    response_class=Response,
    responses=EVENT_STREAM,
)
async def events(services: Open, user: JobStreamUser, job_id: UUID, last_event_id: LastEventId = None) -> Response:
    """Progress of one job as Server-Sent Events, resumed by `Last-Event-ID`; ends after the last event."""
    feed = await job_feed(services, user, job_id, last_event_id)
    await audit_log.record(services, user, "stream", job_id)
    return EventStream(feed, await hold_place(services, user))


@router.websocket("/ws/jobs/{job_id}")
async def websocket(
    socket: WebSocket,
    job_id: UUID,
    token: InQuery = None,
    ticket: InQuery = None,
    last_event_id: Annotated[str | None, Query(max_length=64)] = None,
) -> None:
    """The same messages over a WebSocket, each with its id as `event_id`. Close codes: 4000 + the HTTP status."""
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


async def _serve(
    socket: WebSocket, job_id: UUID | None, token: str | None, ticket: str | None, after: str | None
) -> None:
    services: Services = socket.app.state.services
    await socket.accept()
    bearer = socket.headers.get("authorization", "").removeprefix("Bearer ")
    try:
        user = await authenticate_stream(services, bearer or token, ticket, job_id)
        feed = await (job_feed(services, user, job_id, after) if job_id else user_feed(services, user, after))
        await audit_log.record(services, user, "stream", job_id or audit_log.ALL)
        place = await hold_place(services, user)
    except UNAVAILABLE as error:
        log.error("unavailable", path=socket.url.path, exc_info=error)
        await socket.close(4503, UNAVAILABLE_DETAIL)
        return
    except IrisvueError as error:
        await socket.close(4000 + error.status, error.detail[:120])
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


async def _send_all(socket: WebSocket, feed: Feed) -> None:
    async for event in feed:
        if event:  # the heartbeats of a WebSocket are its own pings
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await socket.send_text(event.websocket)


@asynccontextmanager
async def _interrupted_by_disconnect(socket: WebSocket, feed: Feed) -> AsyncIterator[None]:
    disconnecting = asyncio.create_task(_wait_for_disconnect(socket, feed))
    try:
        yield
    finally:
        disconnecting.cancel()


async def _wait_for_disconnect(socket: WebSocket, feed: Feed) -> None:
    with suppress(WebSocketDisconnect, KeyError, RuntimeError):
        while True:
            await socket.receive_text()  # what clients send means nothing
    feed.interrupt(Mark.DISCONNECTED)
