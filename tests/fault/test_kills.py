"""Parts that are killed, frozen or emptied while work is going on: nothing is lost, nothing ends twice."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from irisvue import AsyncClient
from orchestrator import db, photos, queue
from orchestrator.db.job_states import JobStatus
from orchestrator.embedded.stack import Stack
from orchestrator.jobs import submission
from orchestrator.services import Services
from tests.fault.conftest import StartWorker, queued, row
from tests.waiting import ended, submitted, until

# A lease and rounds so short that what is lost comes back while a test waits.
FAST = {
    "IRISVUE_LEASE_S": "2",
    "IRISVUE_SWEEP_EVERY_S": "0.3",
    "IRISVUE_WAITING_S": "1",
    "IRISVUE_RETRY_DELAY_S": "0.5",
}
STEPS = [
    "Preparing your image...",
    "Finding your iris...",
    "Removing reflections...",
    "Enhancing quality...",
    "Almost done...",
]


async def status(api: httpx.AsyncClient, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await api.get(f"/api/v1/processing/jobs/{job_id}")).json()
    return found


def objects_of(stack: Stack, job_id: str) -> set[str]:
    found = (stack.folder / "objects" / "processed").rglob(f"{job_id}*[a-z]")  # not what a kill left half-written
    return {path.name.partition(".")[2] for path in found}


def one_end(events: list[dict[str, Any]]) -> bool:
    ends = [e for e in events if e["status"] in ("completed", "failed", "cancelled")]
    return len(ends) == 1 and ends[0] is events[-1]


@pytest.mark.parametrize("step", STEPS)
async def test_worker_killed_at_every_step(
    stack: Stack, api: httpx.AsyncClient, start_worker: StartWorker, eye_jpeg: bytes, step: str
) -> None:
    first = start_worker(**FAST)
    job_id = await submitted(api, eye_jpeg)
    events: list[dict[str, Any]] = []
    async with AsyncClient(stack.url, stack.token) as client:
        async for event in client.watch(job_id):
            events.append(dict(event.raw))
            if event.step == step and first.poll() is None:
                first.kill()
                first.wait()
                start_worker(**FAST)
    job = await status(api, job_id)
    assert job["status"] == "completed" and one_end(events)
    assert job["attempt_count"] == 2 or step == STEPS[-1], "the last step may have been over when the signal came"
    assert objects_of(stack, job_id) == {"jpg", "mask.png", "before.jpg"}
    again = [i for i, e in enumerate(events[1:], 1) if e["progress"] < events[i - 1]["progress"]]
    assert len(again) <= 1, "progress goes down only where another attempt begins"


async def test_api_killed_between_commit_and_enqueue(
    stack: Stack, api: httpx.AsyncClient, services: Services, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    user = uuid4()
    photo = await photos.add_photo(services, user, eye_jpeg)
    script = Path(__file__).parent / "dies_before_enqueue.py"
    argv = [sys.executable, str(script), str(user), str(photo.id)]
    done = await asyncio.to_thread(subprocess.run, argv, env=os.environ | stack.env, capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    async with services.db() as session:
        (job,), _ = await db.jobs.jobs_of(session, user, 10, 0, None, None)
    assert job.status == JobStatus.PENDING and await queued(services, job.id) == []
    start_worker(**FAST)

    async def completed() -> bool:
        return (await row(services, job.id)).status == JobStatus.COMPLETED

    await until(completed)
    await photos.delete_photo(services, user, photo.id)


async def test_worker_killed_between_the_queue_and_the_claim(
    services: Services, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    user = uuid4()
    photo = await photos.add_photo(services, user, eye_jpeg)
    (job,) = await submission.submit(services, user, [photo.id], "interactive")
    await services.redis.psetex(f"arq:in-progress:{job.id}:1", 600_000, b"1")  # what arq does when it takes a job
    start_worker(**FAST)

    async def completed() -> bool:
        return (await row(services, job.id)).status == JobStatus.COMPLETED

    await until(completed)
    await photos.delete_photo(services, user, photo.id)


@pytest.mark.parametrize("fault", ["killed", "emptied"])
async def test_redis_killed_or_emptied_with_jobs_in_line(
    stack: Stack, api: httpx.AsyncClient, services: Services, start_worker: StartWorker, eye_jpeg: bytes, fault: str
) -> None:
    photo = (await api.post("/api/v1/photos", files={"file": eye_jpeg})).json()["id"]
    answer = await api.post("/api/v1/processing/batch", json={"photo_ids": [photo] * 8})
    ids = [job["job_id"] for job in answer.json()["jobs"]]
    start_worker(**FAST)

    async def watch(job_id: str) -> list[dict[str, Any]]:
        async with AsyncClient(stack.url, stack.token) as client:
            return [dict(event.raw) async for event in client.watch(job_id)]

    watching = [asyncio.create_task(watch(job_id)) for job_id in ids]

    async def one_done() -> bool:
        return bool((await status(api, ids[0]))["status"] == "completed")

    await until(one_done)
    if fault == "killed":
        os.kill(stack.processes["redis"].pid, signal.SIGKILL)
    else:
        await services.redis.flushall()
    done = [await ended(api, job_id) for job_id in ids]
    assert [job["status"] for job in done] == ["completed"] * 8
    seen = await asyncio.wait_for(asyncio.gather(*watching), 30)
    assert all(one_end(events) and events[-1]["status"] == "completed" for events in seen)
    for job_id in ids:
        assert objects_of(stack, job_id) == {"jpg", "mask.png", "before.jpg"}


async def test_postgres_killed_in_the_middle(
    stack: Stack, api: httpx.AsyncClient, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    start_worker(**FAST)
    ids = [await submitted(api, eye_jpeg) for _ in range(3)]

    async def begun() -> bool:
        return bool((await status(api, ids[0]))["status"] == "processing")

    await until(begun)
    os.kill(stack.processes["postgres"].pid, signal.SIGKILL)

    async def back() -> bool:
        return (await api.get("/health/ready")).status_code == 200

    await until(back)
    for job_id in ids:
        assert (await ended(api, job_id))["status"] == "completed"
        assert objects_of(stack, job_id) == {"jpg", "mask.png", "before.jpg"}


@pytest.mark.parametrize("fault", ["killed", "frozen"])
async def test_triton_killed_or_frozen(
    stack: Stack, api: httpx.AsyncClient, start_worker: StartWorker, eye_jpeg: bytes, fault: str
) -> None:
    start_worker(**FAST, IRISVUE_MODEL_TIMEOUT_S="2")
    ids = [await submitted(api, eye_jpeg) for _ in range(3)]

    async def begun() -> bool:
        return bool((await status(api, ids[0]))["progress"] >= 10)

    await until(begun)
    triton = stack.processes["triton"].pid
    if fault == "killed":
        os.kill(triton, signal.SIGKILL)
    else:
        os.kill(triton, signal.SIGSTOP)
        await asyncio.sleep(4)  # how long it is frozen, not a wait for something
        os.kill(triton, signal.SIGCONT)
    for job_id in ids:
        assert (await ended(api, job_id, seconds=120))["status"] == "completed"
        assert objects_of(stack, job_id) == {"jpg", "mask.png", "before.jpg"}
    if fault == "killed":
        with pytest.raises(ProcessLookupError):  # its Python stubs, which wait for it for ever, are gone too
            os.killpg(triton, 0)


async def test_triton_away_for_good_ends_jobs_with_the_reason(
    stack: Stack, api: httpx.AsyncClient, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    start_worker(**FAST, IRISVUE_MODEL_TIMEOUT_S="1", IRISVUE_MODEL_WAIT_S="0.5")
    await ended(api, await submitted(api, eye_jpeg))
    os.kill(stack.processes["triton"].pid, signal.SIGSTOP)
    job = await ended(api, await submitted(api, eye_jpeg))
    os.kill(stack.processes["triton"].pid, signal.SIGCONT)
    assert (job["status"], job["error_type"], job["attempt_count"]) == ("failed", "transient_error", 2)
    assert job["error_message"] == "Processing timed out. Please try again."
    assert objects_of(stack, job["job_id"]) == set()


async def test_zombie_that_wakes_after_its_lease_is_gone(
    stack: Stack, api: httpx.AsyncClient, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    zombie = start_worker(**FAST)
    job_id = await submitted(api, eye_jpeg)
    events: list[dict[str, Any]] = []
    async with AsyncClient(stack.url, stack.token) as client:
        async for event in client.watch(job_id):
            events.append(dict(event.raw))
            if event.step == STEPS[3] and len([e for e in events if e["step"] == STEPS[3]]) == 1:
                zombie.send_signal(signal.SIGSTOP)
                start_worker(**FAST)
    done = await status(api, job_id)
    assert (done["status"], done["attempt_count"]) == ("completed", 2) and one_end(events)
    zombie.send_signal(signal.SIGCONT)
    assert (await ended(api, await submitted(api, eye_jpeg)))["status"] == "completed"
    after = await status(api, job_id)
    fresh = {"result_url", "mask_url", "before_url", "original_url"}  # signed anew at every call
    assert {k: v for k, v in after.items() if k not in fresh} == {k: v for k, v in done.items() if k not in fresh}
    assert objects_of(stack, job_id) == {"jpg", "mask.png", "before.jpg"}
    assert zombie.poll() is None, "it works on"


async def test_duplicate_deliveries_run_once(
    services: Services, start_worker: StartWorker, eye_jpeg: bytes, api: httpx.AsyncClient
) -> None:
    for _ in range(2):
        start_worker(**FAST)
    job_id = await submitted(api, eye_jpeg)
    row_ = await row(services, UUID(job_id))
    for attempt in range(1, 9):
        await queue.enqueue(services.redis, row_.id, attempt, "interactive", row_.created_at)
    job = await ended(api, job_id)
    assert (job["status"], job["attempt_count"]) == ("completed", 1)

    async def line_is_empty() -> bool:
        return await queued(services, row_.id) == []

    await until(line_is_empty)
    assert (await status(api, job_id))["attempt_count"] == 1


async def test_a_clock_that_is_an_hour_ahead_delays_nothing(
    services: Services, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    from datetime import timedelta

    from sqlalchemy import func, update

    from orchestrator.db.tables import Job

    user = uuid4()
    photo = await photos.add_photo(services, user, eye_jpeg)
    async with services.db.begin() as session:
        (job,) = await db.jobs.add_jobs(session, user, [photo.id], "background")
        ahead = update(Job).where(Job.id == job.id).values(created_at=func.now() + timedelta(hours=1)).returning(Job)
        job = (await session.execute(ahead)).scalar_one()
    start_worker(**FAST)
    started = time.monotonic()
    await submission.enqueue(services, job)

    async def completed() -> bool:
        return (await row(services, job.id)).status == JobStatus.COMPLETED

    await until(completed)
    assert time.monotonic() - started < 60
    await photos.delete_photo(services, user, photo.id)


# Graceful
async def test_sigterm_lets_a_running_job_finish(
    api: httpx.AsyncClient, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    worker = start_worker(**FAST, IRISVUE_DRAIN_S="60")
    ids = [await submitted(api, eye_jpeg) for _ in range(3)]

    async def begun() -> bool:
        return bool((await status(api, ids[0]))["progress"] >= 10)

    await until(begun)
    worker.terminate()
    assert await asyncio.to_thread(worker.wait, 60) == 0
    first, last = await status(api, ids[0]), await status(api, ids[2])
    assert (first["status"], first["attempt_count"]) == ("completed", 1)
    assert last["status"] == "pending", "nothing new is begun"
    start_worker(**FAST)
    assert (await ended(api, ids[2]))["status"] == "completed"


async def test_what_is_not_done_in_time_is_handed_to_others_at_once(
    stack: Stack, api: httpx.AsyncClient, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    slow = start_worker(IRISVUE_DRAIN_S="0")  # with the usual lease: nobody waits for it
    job_id = await submitted(api, eye_jpeg)

    async def begun() -> bool:
        return bool((await status(api, job_id))["status"] == "processing")

    await until(begun)
    slow.terminate()
    assert await asyncio.to_thread(slow.wait, 30) == 0
    assert (await status(api, job_id))["status"] == "pending"
    start_worker()
    job = await ended(api, job_id)
    assert (job["status"], job["attempt_count"]) == ("completed", 2)


async def test_api_that_ends_tells_its_streams_to_reconnect(
    stack: Stack, api: httpx.AsyncClient, services: Services, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed

    job_id = await submitted(api, eye_jpeg)
    path = f"/api/v1/processing/jobs/{job_id}/events"
    said = bytearray()
    address = f"{stack.url.replace('http', 'ws')}/ws/jobs/{job_id}?token={stack.token}"
    async with api.stream("GET", path) as answer, connect(address, proxy=None) as socket:
        await socket.recv()
        before = stack.processes["api"].pid
        os.kill(before, signal.SIGTERM)
        async for chunk in answer.aiter_bytes():
            said += chunk
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                await socket.recv()
    assert b"retry: " in said and said.endswith(b"\n\n")
    assert closed.value.rcvd and closed.value.rcvd.code == 1012
    start_worker(**FAST)
    async with AsyncClient(stack.url, stack.token) as client:  # the supervisor has started another API process
        events = [dict(event.raw) async for event in client.watch(job_id)]
    assert stack.processes["api"].pid != before
    assert one_end(events) and events[-1]["status"] == "completed"


async def test_rolling_restarts_under_load_lose_no_job_and_no_event(
    stack: Stack, services: Services, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    workers = [start_worker(**FAST, IRISVUE_DRAIN_S="10") for _ in range(2)]
    ends: Counter[str] = Counter()

    async def one() -> None:
        async with AsyncClient(stack.url, stack.token) as client:
            photo = await client.upload(eye_jpeg)  # the API restarts: the client tries again
            job_id = (await client.submit(photo.id)).job_id
            events = [dict(event.raw) async for event in client.watch(job_id)]
            assert one_end(events)
            ends[events[-1]["status"]] += 1

    load = [asyncio.create_task(one()) for _ in range(14)]
    for number, part in enumerate(["api", "worker", "triton", "worker"]):
        await asyncio.sleep(1.0)  # the pace of the rollout
        if part == "worker":
            start_worker(**FAST, IRISVUE_DRAIN_S="10")
            workers[number // 2].terminate()
        else:
            os.kill(stack.processes[part].pid, signal.SIGTERM)
    await asyncio.wait_for(asyncio.gather(*load), 120)
    assert ends == {"completed": 14}
