"""Clients that misbehave: frozen ones are dropped, slow bodies are refused, and other clients do not notice."""

import asyncio
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


async def test_a_frozen_client_is_dropped_and_delays_no_other(stack: Stack, services: Services, pending: Job) -> None:
    token = make_token(pending.user_id, stack.env["IRISVUE_JWT_SECRET"])
    path = f"/api/v1/processing/jobs/{pending.id}/events"
    address = urlsplit(stack.url)
    frozen = socket.socket()
    frozen.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    frozen.connect((address.hostname, address.port))
    frozen.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
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
