"""Progress as Server-Sent Events, and tickets for clients that can't send headers."""

import asyncio
import random
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from orchestrator.api.dependencies import AllJobsStreamUser, Bearer, CurrentUser, JobStreamUser, Open
from orchestrator.api.feeds import SEND_TIMEOUT_S, Feed, job_feed, user_feed
from orchestrator.api.places import hold_place
from orchestrator.api.schemas.common import problems
from orchestrator.api.schemas.streams import EVENT_SCHEMA, TicketRequest, TicketResponse
from orchestrator.auth import tickets
from orchestrator.observability.logs import log
from orchestrator.privacy import audit_log
from orchestrator.progress.events import Event
from orchestrator.progress.hub import Draining, Mark

router = APIRouter(tags=["progress"])
RECONNECT_MS = (200, 2000)  # spread, so that the clients of a process that stops do not all come back at once
# Proxies must neither collect events nor compress them, which would hold them back as well. Some pass on an answer only
# when it has a body, so there is a first byte before there is an event.
HEADERS = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}
SERVER_SEND = "irisvue.send"
"""Where the scope has the server's own `send`: what middleware puts around it is for the headers, and takes time."""
FIRST = b": connected\n\n"
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=64)]
LastEventIdInQuery = Annotated[
    str | None,
    Query(alias="last_event_id", max_length=64, description="As Last-Event-ID, which goes first where both are given."),
]
EVENT_STREAM = problems(401, 404, 421, 429) | {
    200: {
        "description": "`event: progress|completed|failed|cancelled`, `data:` a JSON message, `id:` for Last-Event-ID. "
        "`event: heartbeat` when nothing else happens.",
        "content": {"text/event-stream": {"schema": EVENT_SCHEMA}},
    }
}


class EventStream(Response):
    """Sends a feed as Server-Sent Events.

    A process holds thousands of idle streams, so each has one task beside the request's own, to notice that its client
    disconnects, and no timer but the feed's heartbeat.

    Programs that read the bytes see every heartbeat. A browser's EventSource hands on only events that have data, but
    other clients take these for messages: `data_in_heartbeats` is for streams that were opened as EventSource can.
    """

    media_type = "text/event-stream"

    def __init__(self, feed: Feed, place: AbstractAsyncContextManager[None], data_in_heartbeats: bool) -> None:
        super().__init__(headers=HEADERS)
        del self.headers["content-length"]
        self._feed, self._place, self._data_in_heartbeats = feed, place, data_in_heartbeats

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the feed ends, or the client disconnects or stops reading."""
        disconnecting = asyncio.create_task(self._wait_for_disconnect(receive))
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        try:
            async with self._place:
                await _send_part(send, FIRST)
                self._feed.at_once = partial(_is_sent, scope.get(SERVER_SEND, send))
                async for event in self._feed:
                    await _send_part(send, event.sse if event else self._heartbeat())
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

    def _heartbeat(self) -> bytes:
        data = self._feed.heartbeat if self._data_in_heartbeats else ""
        return f"event: heartbeat\ndata: {data}\n\n".encode()

    async def _wait_for_disconnect(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._feed.interrupt(Mark.DISCONNECTED)


def _is_sent(send: Send, event: Event) -> bool:
    """Send an event at once; False where `send` would have to wait, or fails, so that the stream's task sends it.

    Where uvicorn's `send` waits, it waits for the client to read what was sent before, and has sent nothing yet.
    """
    sending = send({"type": "http.response.body", "body": event.sse, "more_body": True}).__await__()
    try:
        next(sending)
    except StopIteration:
        return True
    except Exception as error:
        log.warning("event not sent at once", error=type(error).__name__)
        return False
    sending.close()
    return False


async def _send_part(send: Send, data: bytes, more_body: bool = True) -> None:
    """Send a part of the body. Raises TimeoutError where the client does not read."""
    async with asyncio.timeout(SEND_TIMEOUT_S):
        await send({"type": "http.response.body", "body": data, "more_body": more_body})


@router.post("/api/v1/stream-tickets", status_code=201, responses=problems(401, 404, 421))
async def stream_ticket(services: Open, user: CurrentUser, body: TicketRequest) -> TicketResponse:
    """A ticket for one stream, for clients that can't send headers: `?ticket=`.

    It opens the stream within a minute, and again when the connection breaks, for as long as a stream may be open.
    """
    if body.job_id:
        await job_feed(services, user, body.job_id, None)  # 404 for another user's
    ticket = await tickets.issue(services.redis, user, body.job_id)
    return TicketResponse(ticket=ticket, job_id=body.job_id, expires_in=tickets.TICKET_S)


@router.get("/api/v1/processing/events", response_class=Response, responses=EVENT_STREAM)
async def all_events(
    services: Open,
    user: AllJobsStreamUser,
    bearer: Bearer,
    last_event_id: LastEventId = None,
    after: LastEventIdInQuery = None,
) -> Response:
    """Progress of all of the caller's jobs as Server-Sent Events, resumed by `Last-Event-ID`."""
    feed = await user_feed(services, user, last_event_id or after)
    await audit_log.record(services, user, "stream")
    return EventStream(feed, await hold_place(services, user), data_in_heartbeats=bearer is None)


@router.get(
    "/api/v1/processing/jobs/{job_id}/events",
    response_class=Response,
    responses=EVENT_STREAM | {204: {"description": "The job has ended, and `Last-Event-ID` is its last event."}},
)
async def events(
    services: Open,
    user: JobStreamUser,
    bearer: Bearer,
    job_id: UUID,
    last_event_id: LastEventId = None,
    after: LastEventIdInQuery = None,
) -> Response:
    """Progress of one job as Server-Sent Events, resumed by `Last-Event-ID`; ends after the last event."""
    feed = await job_feed(services, user, job_id, last_event_id or after)
    if feed.seen_to_the_end:
        return Response(status_code=204)  # an EventSource would otherwise come back for ever
    await audit_log.record(services, user, "stream", job_id)
    return EventStream(feed, await hold_place(services, user), data_in_heartbeats=bearer is None)
