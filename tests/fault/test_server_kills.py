"""Redis, PostgreSQL and Triton are killed, frozen or emptied while jobs run: every job completes, and ends once."""

import asyncio
import os
import signal
from pathlib import Path

import httpx
import pytest

from irisvue import AsyncClient
from orchestrator.embedded.stack import Stack
from orchestrator.services import Services
from tests.fault.conftest import StartWorker
from tests.fault.outcome import FAST, RESULT, ends_once, messages_of, objects_of, until_status
from tests.waiting import ended, submitted, until, uploaded


@pytest.mark.parametrize("fault", ["killed", "emptied"])
async def test_redis_killed_or_emptied_with_jobs_in_the_queue(
    stack: Stack,
    api: httpx.AsyncClient,
    client: AsyncClient,
    services: Services,
    start_worker: StartWorker,
    eye_jpeg: bytes,
    fault: str,
) -> None:
    body = {"photo_ids": [await uploaded(api, eye_jpeg)] * 8}
    ids = [job["job_id"] for job in (await api.post("/api/v1/processing/batch", json=body)).json()["jobs"]]
    start_worker(**FAST)
    watching = [asyncio.create_task(messages_of(client, job_id)) for job_id in ids]
    await until_status(api, ids[0], "completed")
    if fault == "killed":
        os.kill(stack.processes["redis"].pid, signal.SIGKILL)
    else:
        await services.redis.flushall()
    done = [await ended(api, job_id) for job_id in ids]
    assert [job["status"] for job in done] == ["completed"] * 8
    watched = await asyncio.wait_for(asyncio.gather(*watching), 30)
    assert all(ends_once(messages) and messages[-1]["status"] == "completed" for messages in watched)
    for job_id in ids:
        assert objects_of(stack, job_id) == RESULT


async def test_postgres_killed_while_jobs_run(
    stack: Stack, api: httpx.AsyncClient, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    start_worker(**FAST)
    ids = [await submitted(api, eye_jpeg) for _ in range(3)]
    await until_status(api, ids[0], "processing")
    os.kill(stack.processes["postgres"].pid, signal.SIGKILL)

    async def ready() -> bool:
        return (await api.get("/health/ready")).status_code == 200

    await until(ready)
    for job_id in ids:
        assert (await ended(api, job_id))["status"] == "completed"
        assert objects_of(stack, job_id) == RESULT


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_triton_killed_or_frozen_while_jobs_run(
    stack: Stack, api: httpx.AsyncClient, start_worker: StartWorker, eye_jpeg: bytes, fault: str
) -> None:
    start_worker(**FAST, IRISVUE_MODEL_TIMEOUT_S="10")  # two jobs' tiles wait for one another, also on a slow machine
    ids = [await submitted(api, eye_jpeg) for _ in range(3)]
    await until_status(api, ids[0], "processing", progress=10)
    triton = stack.processes["triton"].pid
    if fault == "killed":
        os.kill(triton, signal.SIGKILL)
    else:
        os.kill(triton, signal.SIGSTOP)
        await asyncio.sleep(12)  # how long it is frozen, not a wait for something
        os.kill(triton, signal.SIGCONT)
    for job_id in ids:
        assert (await ended(api, job_id, seconds=120))["status"] == "completed"
        assert objects_of(stack, job_id) == RESULT
    if fault == "killed":
        with pytest.raises(ProcessLookupError):  # its Python stubs, which would wait for it for ever, have ended too
            os.killpg(triton, 0)


async def test_a_triton_that_stays_frozen_ends_jobs_with_the_reason(
    stack: Stack, api: httpx.AsyncClient, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    start_worker(**FAST, IRISVUE_MODEL_TIMEOUT_S="1", IRISVUE_MODEL_WAIT_S="0.5", IRISVUE_MAX_OUTAGES="2")
    await ended(api, await submitted(api, eye_jpeg))
    os.kill(stack.processes["triton"].pid, signal.SIGSTOP)
    job = await ended(api, await submitted(api, eye_jpeg))
    os.kill(stack.processes["triton"].pid, signal.SIGCONT)
    assert (job["status"], job["error_type"], job["attempt_count"]) == ("failed", "transient_error", 2)
    assert job["error_message"] == "Processing timed out. Please try again."
    assert objects_of(stack, job["job_id"]) == set()


async def test_attempts_that_wait_for_the_models_are_not_taken_for_lost(
    stack: Stack, api: httpx.AsyncClient, start_worker: StartWorker, eye_jpeg: bytes, tmp_path: Path
) -> None:
    quick = {"IRISVUE_MODEL_TIMEOUT_S": "8", "IRISVUE_WAITING_S": "0.5", "IRISVUE_SWEEP_EVERY_S": "0.2"}
    start_worker(**FAST | quick, IRISVUE_MODEL_WAIT_S="60", IRISVUE_WORKER_JOBS="4")
    await ended(api, await submitted(api, eye_jpeg))
    triton = stack.processes["triton"].pid
    os.kill(triton, signal.SIGSTOP)
    first = await submitted(api, eye_jpeg)
    log = tmp_path / "worker-0.log"

    async def outage_noticed() -> bool:
        return b"attempt failed" in log.read_bytes()

    await until(outage_noticed)
    ids = [first, *[await submitted(api, eye_jpeg) for _ in range(6)]]
    await asyncio.sleep(4)  # how long it is frozen, and much longer than the sweeper takes to look
    os.kill(triton, signal.SIGCONT)
    assert [(await ended(api, job_id, seconds=120))["status"] for job_id in ids] == ["completed"] * 7
    assert b"not in the queue, enqueued again" not in log.read_bytes()
    assert b"KeyError" not in log.read_bytes()
