"""Streams through proxies that compress and collect whatever they may: every event arrives when it is sent."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn
from uuid import UUID, uuid4

import httpx
import pytest
from websockets.asyncio.client import connect

from orchestrator.auth.tokens import make_token
from orchestrator.embedded.ports import HOST, free_port, listens
from orchestrator.embedded.stack import Stack
from orchestrator.embedded.supervisor import Process, ProcessSpec
from orchestrator.progress import events
from orchestrator.services import Services

AT_ONCE_S = 10  # less than a heartbeat, which would push on what is held back
ALL_JOBS = "/api/v1/processing/events"
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr;
events {{ }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  gzip on;
  gzip_proxied any;
  gzip_types text/event-stream application/json;
  gzip_min_length 0;
  map $http_upgrade $connection_upgrade {{
    default upgrade;
    '' close;
  }}
  server {{
    listen {host}:{port};
    location / {{
      proxy_pass {api};
      proxy_buffering on;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }}
  }}
}}
"""
HAPROXY = """
defaults
  mode http
  timeout connect 2s
  timeout client 5m
  timeout server 5m
frontend api
  bind {host}:{port}
  default_backend apis
backend apis
  filter compression
  compression algo gzip
  compression type text/event-stream application/json
  server one {server}
"""


def missing(what: str) -> NoReturn:
    """Skip the test; but CI must be able to run it."""
    if "CI" in os.environ:
        pytest.fail(f"CI must have it: {what}")
    pytest.skip(what)


def program(name: str, package: str) -> str:
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    return path or missing(f"{name} is not installed: sudo apt-get install -y {package}")


@asynccontextmanager
async def proxied(name: str, stack: Stack, folder: Path) -> AsyncIterator[str]:
    """The address of a proxy in front of the stack's API."""
    port = free_port()
    values = {"folder": folder, "host": HOST, "port": port, "api": stack.url, "server": stack.url.partition("//")[2]}
    config = folder / f"{name}.conf"
    config.write_text({"nginx": NGINX, "haproxy": HAPROXY}[name].format(**values))
    argv = {
        "nginx": lambda: [program("nginx", "nginx-light"), "-p", str(folder), "-c", str(config), "-e", "stderr"],
        "haproxy": lambda: [program("haproxy", "haproxy"), "-db", "-f", str(config)],
    }[name]()
    process = Process(ProcessSpec(name, argv, folder / f"{name}.log", port=port))
    await process.start()
    try:
        await process.until_ready(partial(listens, port))
        yield f"http://{HOST}:{port}"
    finally:
        await process.stop()


@pytest.fixture(params=["nginx", "haproxy"])
async def proxy(request: pytest.FixtureRequest, stack: Stack, tmp_path: Path) -> AsyncIterator[str]:
    async with proxied(request.param, stack, tmp_path) as url:
        yield url


@pytest.fixture
def header(stack: Stack, user: UUID) -> dict[str, str]:
    return {"Authorization": f"Bearer {make_token(user, stack.env['IRISVUE_JWT_SECRET'])}"}


async def test_the_proxies_do_compress_other_answers(proxy: str, header: dict[str, str]) -> None:
    async with httpx.AsyncClient(base_url=proxy, headers=header, trust_env=False) as client:
        answer = await client.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
        assert answer.headers["content-encoding"] == "gzip"


async def test_events_arrive_one_by_one(proxy: str, header: dict[str, str], services: Services, user: UUID) -> None:
    asked = header | {"Accept-Encoding": "gzip, deflate", "Accept": "text/event-stream"}
    async with (
        httpx.AsyncClient(base_url=proxy, headers=asked, trust_env=False, timeout=60) as client,
        client.stream("GET", ALL_JOBS) as response,
    ):
        assert {"no-store", "no-transform"} <= set(response.headers["cache-control"].replace(",", " ").split())
        chunks = response.aiter_bytes()
        first = await asyncio.wait_for(anext(chunks), AT_ONCE_S)
        assert first.startswith(b": "), "something at once, although there is no job"
        for percent in (10, 20, 30):
            message = events.message(uuid4(), "processing", percent, "Finding your iris...")
            await events.publish(services.redis, user, 1, message)
            received = b""
            while not received.endswith(b"\n\n"):
                received += await asyncio.wait_for(anext(chunks), AT_ONCE_S)
            data = received.partition(b"data: ")[2]
            assert json.loads(data)["progress"] == percent


async def test_a_websocket_passes_too(proxy: str, header: dict[str, str], services: Services, user: UUID) -> None:
    async def publish(percent: int) -> str:
        message = events.message(uuid4(), "processing", percent, "Finding your iris...")
        return await events.publish(services.redis, user, 1, message)

    address = f"{proxy.replace('http', 'ws')}/ws/jobs?last_event_id={await publish(5)}"
    async with connect(address, additional_headers=header, proxy=None) as socket:
        for percent in (10, 20):
            await publish(percent)
            received = json.loads(await asyncio.wait_for(socket.recv(), AT_ONCE_S))
            assert received["progress"] == percent
