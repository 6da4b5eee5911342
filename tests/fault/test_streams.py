"""Clients that misbehave: frozen ones are dropped, slow bodies are refused, and other clients do not notice."""

import asyncio
import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from httpx_sse import aconnect_sse

from orchestrator.auth.tokens import make_token
from orchestrator.db.tables import Job
from orchestrator.embedded.stack import Stack
from orchestrator.progress import events
from orchestrator.services import Services
from tests.api_process import api_process
from tests.waiting import until


def opened(url: str, path: str, token: str) -> socket.socket:
    """A connection with a small buffer, whose stream nobody reads yet."""
    address = urlsplit(url)
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.connect((address.hostname, address.port))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    return connection


async def test_a_frozen_client_is_dropped_and_delays_no_other(stack: Stack, services: Services, pending: Job) -> None:
    token = make_token(pending.user_id, stack.env["IRISVUE_JWT_SECRET"])
    path = f"/api/v1/processing/jobs/{pending.id}/events"
    frozen = opened(stack.url, path, token)
    api = psutil.Process(stack.processes["api"].pid)
    port = frozen.getsockname()[1]

    def connected() -> bool:
        return any(c.raddr and c.raddr.port == port for c in api.net_connections())

    async with httpx.AsyncClient(
        base_url=stack.url, headers={"Authorization": f"Bearer {token}"}, timeout=60, trust_env=False
    ) as client:
        async with aconnect_sse(client, "GET", path) as source:
            received = source.aiter_sse()
            assert (await anext(received)).data
            assert connected()
            filler = "x" * 20_000  # fills the frozen client's buffers soon
            seen = 0
            for n in range(400):
                body = events.message(pending.id, "processing", n % 100, filler)
                await events.publish(services.redis, pending.user_id, 1, body)
                event = await asyncio.wait_for(anext(received), 5)
                seen += bool(event.data)
            assert seen == 400, "a client that reads gets everything at once"

            async def dropped() -> bool:
                return not connected()

            await until(dropped, 60)
    frozen.close()


def ids_until(connection: socket.socket, last: str) -> list[str]:
    """The ids of all events that arrive, to the id `last`."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
    connection.settimeout(30)
    text = b""
    while f"id: {last}\n".encode() not in text[-100_000:]:
        data = connection.recv(2**20)
        assert data, "the connection is still open"
        text += data
    return re.findall(r"^id: (\S+)$", text.decode(), re.MULTILINE)


async def test_a_client_that_reads_late_gets_every_event_once(stack: Stack, services: Services, pending: Job) -> None:
    """What it is sent at once, what waits for it and what it has to replay follow one another without a seam."""
    token = make_token(pending.user_id, stack.env["IRISVUE_JWT_SECRET"])

    async def published(count: int, filler: str) -> list[str]:
        bodies = [events.message(pending.id, "processing", n % 100, filler) for n in range(count)]
        return [await events.publish(services.redis, pending.user_id, 1, body) for body in bodies]

    with opened(stack.url, f"/api/v1/processing/jobs/{pending.id}/events", token) as late:
        await asyncio.to_thread(late.recv, 100)  # the stream is open
        ids = await published(390, "x" * 20_000)  # more than its buffers and its queue hold
        assert await asyncio.to_thread(ids_until, late, ids[-1]) == ids
        ids = await published(20, "x")
        assert await asyncio.to_thread(ids_until, late, ids[-1]) == ids


@pytest.fixture
def impatient_api(stack: Stack) -> Iterator[str]:
    """An API process that waits half a second for bodies and takes small ones only."""
    with api_process(stack, BODY_TIMEOUT_S="0.5", MAX_UPLOAD_BYTES="1000000") as url:
        yield url


async def test_slow_and_huge_bodies_are_refused(impatient_api: str, stack: Stack) -> None:
    address = urlsplit(impatient_api)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"POST /api/v1/processing/submit HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {stack.token}\r\n"
    writer.write((head + "Content-Type: application/json\r\nContent-Length: 60\r\n\r\n{").encode())
    answer = await asyncio.wait_for(reader.read(), 10)  # the connection is closed after the answer
    assert b" 408 " in answer.split(b"\r\n")[0] and b"too_slow" in answer
    writer.close()
    async with httpx.AsyncClient(base_url=impatient_api, trust_env=False, timeout=30) as client:
        client.headers["Authorization"] = f"Bearer {stack.token}"
        huge = await client.post("/api/v1/photos", files={"file": b"\xff\xd8" * 2_000_000})
        assert huge.status_code == 413 and huge.json()["code"] == "too_large"
        huge = await client.post("/api/v1/processing/submit", content=b"[" * 3_000_000)
        assert huge.status_code == 413
        assert (await client.get("/health/live")).status_code == 200
