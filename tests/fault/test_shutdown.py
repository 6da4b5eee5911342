"""Processes that are terminated finish or hand back their work, and clients follow without a gap."""

import asyncio
import os
import signal
import socket
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from irisvue import AsyncClient
from orchestrator.embedded.stack import Stack
from orchestrator.observability.tracing import LAST_SPANS_S
from tests.api_process import api_process
from tests.fault.conftest import StartWorker
from tests.fault.outcome import FAST, ends_once, job_of, messages_of, until_status
from tests.receivers import Collector, receiver
from tests.streams import events_of, websocket_address
from tests.waiting import ended, submitted, until


async def test_a_worker_that_is_terminated_finishes_its_job_and_begins_no_other(
    api: httpx.AsyncClient, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    worker = start_worker(**FAST, IRISVUE_DRAIN_S="60")
    ids = [await submitted(api, eye_jpeg) for _ in range(3)]
    await until_status(api, ids[0], "processing", progress=10)
    worker.terminate()
    assert await asyncio.to_thread(worker.wait, 60) == 0
    first, last = await job_of(api, ids[0]), await job_of(api, ids[2])
    assert (first["status"], first["attempt_count"]) == ("completed", 1)
    assert last["status"] == "pending"
    start_worker(**FAST)
    assert (await ended(api, ids[2]))["status"] == "completed"


async def test_a_job_that_is_not_finished_in_time_is_handed_back_at_once(
    api: httpx.AsyncClient, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    worker = start_worker(IRISVUE_DRAIN_S="0")  # with the usual lease: no one has to wait for its end
    job_id = await submitted(api, eye_jpeg)
    await until_status(api, job_id, "processing")
    worker.terminate()
    assert await asyncio.to_thread(worker.wait, 30) == 0
    assert (await job_of(api, job_id))["status"] == "pending"
    start_worker()
    job = await ended(api, job_id)
    assert (job["status"], job["attempt_count"]) == ("completed", 2)


async def test_an_api_that_is_terminated_tells_its_streams_to_reconnect(
    stack: Stack, api: httpx.AsyncClient, client: AsyncClient, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    job_id = await submitted(api, eye_jpeg)
    text = bytearray()
    address = websocket_address(stack, f"/ws/jobs/{job_id}", token=stack.token)
    async with api.stream("GET", events_of(job_id)) as response, connect(address, proxy=None) as socket:
        await socket.recv()
        before = stack.processes["api"].pid
        os.kill(before, signal.SIGTERM)
        async for chunk in response.aiter_bytes():
            text += chunk
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await socket.recv()
    assert b"retry: " in text and text.endswith(b"\n\n")
    assert closed.value.rcvd and closed.value.rcvd.code == 1012
    start_worker(**FAST)
    messages = await messages_of(client, job_id)  # the supervisor has started another API process
    assert stack.processes["api"].pid != before
    assert ends_once(messages) and messages[-1]["status"] == "completed"


async def test_a_worker_that_waits_for_the_models_ends_when_it_is_told(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    worker = start_worker(IRISVUE_TRITON_URL="127.0.0.1:1")

    async def waits() -> bool:
        return "waiting for the models" in (tmp_path / "worker-0.log").read_text()

    await until(waits)
    worker.terminate()
    assert await asyncio.to_thread(worker.wait, 10) == 128 + signal.SIGTERM


def test_the_last_spans_are_sent_at_the_end(stack: Stack) -> None:
    with receiver() as server:
        collector = Collector(server)
        with api_process(stack, OTLP_ENDPOINT=collector.url) as url:
            httpx.get(f"{url}/api/v1/models", trust_env=False)
        assert [span.name for span in collector.spans] == ["GET /api/v1/models"]


def test_a_collector_that_does_not_answer_holds_up_no_end(stack: Stack) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with api_process(stack, OTLP_ENDPOINT=f"http://127.0.0.1:{silent.getsockname()[1]}") as url:
            httpx.get(f"{url}/api/v1/models", trust_env=False)
            told = time.monotonic()
        assert time.monotonic() - told < LAST_SPANS_S + 5


async def run_one(client: AsyncClient, jpeg: bytes) -> str:
    """Upload, submit and watch a job, reconnecting where the API restarts; the status that it ends with."""
    photo = await client.upload(jpeg)
    job_id = (await client.submit(photo.id)).job_id
    messages = await messages_of(client, job_id)
    assert ends_once(messages)
    return str(messages[-1]["status"])


async def test_rolling_restarts_under_load_lose_no_job_and_no_event(
    stack: Stack, client: AsyncClient, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    workers = [start_worker(**FAST, IRISVUE_DRAIN_S="10") for _ in range(2)]
    load = [asyncio.create_task(run_one(client, eye_jpeg)) for _ in range(14)]
    for number, part in enumerate(["api", "worker", "triton", "worker"]):
        await asyncio.sleep(1.0)  # the pace of the rollout
        if part == "worker":
            start_worker(**FAST, IRISVUE_DRAIN_S="10")
            workers[number // 2].terminate()
        else:
            os.kill(stack.processes[part].pid, signal.SIGTERM)
    assert Counter(await asyncio.wait_for(asyncio.gather(*load), 120)) == {"completed": 14}
