"""Following jobs over server-sent events and over WebSockets, as plain clients do."""

import json
from collections.abc import AsyncGenerator

import httpx
from httpx_sse import aconnect_sse
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from orchestrator.embedded.stack import Stack

Message = dict[str, object]


def events_of(job_id: str) -> str:
    """The path of the job's server-sent events."""
    return f"/api/v1/processing/jobs/{job_id}/events"


def websocket_address(stack: Stack, path: str, **query: str) -> str:
    """A WebSocket's address: `/ws/jobs`, or one job's."""
    return str(httpx.URL(stack.url.replace("http", "ws") + path, params=query))


async def follow(api: httpx.AsyncClient, path: str, **headers: str) -> AsyncGenerator[tuple[str, str, Message]]:
    """Kind, id and message of every event until the stream ends; comments are left out."""
    async with aconnect_sse(api, "GET", path, headers=headers) as source:
        async for event in source.aiter_sse():
            if event.data:
                yield event.event, event.id, json.loads(event.data)


async def over_sse(api: httpx.AsyncClient, job_id: str, **headers: str) -> list[tuple[str, str, Message]]:
    """Everything that the job's stream says."""
    return [event async for event in follow(api, events_of(job_id), **headers)]


async def over_websocket(stack: Stack, job_id: str, token: str) -> tuple[list[Message], int | None]:
    """Everything that the job's WebSocket says, and the code that it is closed with."""
    messages: list[Message] = []
    async with connect(websocket_address(stack, f"/ws/jobs/{job_id}", token=token), proxy=None) as socket:
        try:
            while True:
                messages.append(json.loads(await socket.recv()))
        except ConnectionClosed as closed:
            return messages, closed.rcvd.code if closed.rcvd else None
