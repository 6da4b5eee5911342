"""Progress as Server-Sent Events and as its WebSocket alias: the same messages, the same rules."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, WebSocket, WebSocketDisconnect
from sse_starlette import EventSourceResponse, ServerSentEvent

from orchestrator import jobs, progress, store
from orchestrator.api.dependencies import Open, StreamingUser, authenticate
from orchestrator.errors import IrisvueError, NotFound
from orchestrator.progress import LAST_STATES, Event
from orchestrator.services import Services
from orchestrator.tables import Job
from orchestrator.telemetry import STREAMS_OPEN

router = APIRouter(tags=["progress"])
SEND_TIMEOUT_S = 10  # a client that does not read is dropped
GOES_ON = "The job goes on. Connect again to follow it."
LastEventId = Annotated[str | None, Header(alias="Last-Event-ID", max_length=64)]


async def job_for(services: Services, user: UUID, job_id: UUID) -> Job:
    """The user's job. Raises NotFound."""
    async with services.db() as db:
        job = await store.job_of(db, user, job_id)
    if job is None:
        raise NotFound
    return job


async def events_of(services: Services, job: Job, after: str | None) -> AsyncIterator[Event]:
    """Where the job stands (or, with `after`, what has happened since), then every event up to the last one."""
    if store.has_ended(job):
        for event in await progress.replay(services.redis, job.id, after) if after else []:
            if event.kind not in LAST_STATES:
                yield event
        yield Event("", await jobs.last_message(services, job))
        return
    if after is None:
        now = await progress.latest(services.redis, job.id)
        yield now or Event("", await jobs.last_message(services, job))
        if now and now.kind in LAST_STATES:
            return
        after = now.id if now else ""
    async for event in progress.follow(services.redis, services.hub, job.id, after):
        yield event


async def limited(services: Services, job: Job, after: str | None) -> AsyncIterator[Event]:
    """`events_of`, ended after `stream_seconds` by a message that the job goes on."""
    source = events_of(services, job, after)
    deadline = asyncio.get_running_loop().time() + services.settings.stream_seconds
    last: dict[str, object] = {}
    with STREAMS_OPEN.track_inprogress():
        try:
            while True:
                async with asyncio.timeout_at(deadline):
                    event = await anext(source)
                last = event.body
                yield event
        except StopAsyncIteration:
            return
        except TimeoutError:
            yield Event("", last | {"message": GOES_ON})
        finally:
            await source.aclose()  # type: ignore[attr-defined]


@router.get("/api/v1/processing/jobs/{job_id}/events", response_class=EventSourceResponse)
async def events(
    services: Open, user: StreamingUser, job_id: UUID, last_event_id: LastEventId = None
) -> EventSourceResponse:
    """Progress as Server-Sent Events: `event: progress|completed|failed|cancelled`, resumed by `Last-Event-ID`."""
    job = await job_for(services, user, job_id)

    async def messages() -> AsyncIterator[ServerSentEvent]:
        async for event in limited(services, job, last_event_id):
            yield ServerSentEvent(json.dumps(event.body), event=event.kind, id=event.id or None)

    return EventSourceResponse(
        messages(), ping=round(services.settings.heartbeat_s), send_timeout=SEND_TIMEOUT_S, sep="\n"
    )


@router.websocket("/ws/jobs/{job_id}")
async def websocket(
    socket: WebSocket,
    job_id: UUID,
    token: Annotated[str | None, Query()] = None,
    last_event_id: Annotated[str | None, Query(max_length=64)] = None,
) -> None:
    """The same messages over a WebSocket, each with its id as `event_id`. Close codes: 4401 no token, 4404 no job."""
    services: Services = socket.app.state.services
    await socket.accept()
    header = socket.headers.get("authorization", "")
    try:
        user = await authenticate(services, header.removeprefix("Bearer ") or token)
        job = await job_for(services, user, job_id)
    except IrisvueError as error:
        await socket.close(4000 + error.status, error.detail)
        return
    sending = asyncio.create_task(_send_all(socket, services, job, last_event_id))
    listening = asyncio.create_task(_until_gone(socket))
    done, running = await asyncio.wait({sending, listening}, return_when=asyncio.FIRST_COMPLETED)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    for task in done:
        task.exception()  # a client that went away or did not read is nobody's error


async def _send_all(socket: WebSocket, services: Services, job: Job, after: str | None) -> None:
    async for event in limited(services, job, after):
        body = event.body | ({"event_id": event.id} if event.id else {})
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await socket.send_json(body)
    await socket.close()


async def _until_gone(socket: WebSocket) -> None:
    try:
        while True:
            await socket.receive_text()
    except (WebSocketDisconnect, KeyError):
        return
