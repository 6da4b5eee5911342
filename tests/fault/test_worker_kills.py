"""Workers that are killed, frozen or handed a job twice: nothing is lost, nothing ends twice."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import func, update

from irisvue import AsyncClient
from orchestrator import db, photos, queue
from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Job
from orchestrator.embedded.stack import Stack
from orchestrator.jobs import submission
from orchestrator.services import Services
from tests.fault.conftest import StartWorker, queued, row
from tests.fault.outcome import FAST, RESULT, Message, ends_once, job_of, objects_of, until_completed
from tests.waiting import ended, submitted, until

STEPS = [
    "Preparing your image...",
    "Finding your iris...",
    "Removing reflections...",
    "Enhancing quality...",
    "Almost done...",
]
ENHANCING = STEPS[3]


@pytest.mark.parametrize("step", STEPS)
async def test_a_worker_killed_in_any_step(
    stack: Stack, api: httpx.AsyncClient, start_worker: StartWorker, eye_jpeg: bytes, step: str
) -> None:
    first = start_worker(**FAST)
    job_id = await submitted(api, eye_jpeg)
    messages: list[Message] = []
    async with AsyncClient(stack.url, stack.token) as client:
        async for event in client.watch(job_id):
            messages.append(dict(event.raw))
            if event.step == step and first.poll() is None:
                first.kill()
                first.wait()
                start_worker(**FAST)
    job = await job_of(api, job_id)
    assert job["status"] == "completed" and ends_once(messages)
    assert job["attempt_count"] == 2 or step == STEPS[-1], "the last step may have been over when the signal came"
    assert objects_of(stack, job_id) == RESULT
    falls = [i for i, e in enumerate(messages[1:], 1) if e["progress"] < messages[i - 1]["progress"]]
    assert len(falls) <= 1, "progress falls only where another attempt begins"


async def test_an_api_killed_between_commit_and_enqueue(
    stack: Stack, services: Services, start_worker: StartWorker, eye_jpeg: bytes
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
    await until_completed(services, job.id)
    await photos.delete_photo(services, user, photo.id)


async def test_a_worker_killed_between_the_queue_and_the_claim(
    services: Services, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    user = uuid4()
    photo = await photos.add_photo(services, user, eye_jpeg)
    (job,) = await submission.submit(services, user, [photo.id], "interactive")
    await services.redis.psetex(f"arq:in-progress:{job.id}:1", 600_000, b"1")  # what arq does when it takes a job
    start_worker(**FAST)
    await until_completed(services, job.id)
    await photos.delete_photo(services, user, photo.id)


async def test_a_frozen_worker_that_wakes_after_its_lease_changes_nothing(
    stack: Stack, api: httpx.AsyncClient, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    frozen = start_worker(**FAST)
    job_id = await submitted(api, eye_jpeg)
    messages: list[Message] = []
    async with AsyncClient(stack.url, stack.token) as client:
        async for event in client.watch(job_id):
            messages.append(dict(event.raw))
            if event.step == ENHANCING and sum(message["step"] == ENHANCING for message in messages) == 1:
                frozen.send_signal(signal.SIGSTOP)
                start_worker(**FAST)
    done = await job_of(api, job_id)
    assert (done["status"], done["attempt_count"]) == ("completed", 2) and ends_once(messages)
    frozen.send_signal(signal.SIGCONT)
    assert (await ended(api, await submitted(api, eye_jpeg)))["status"] == "completed"
    after = await job_of(api, job_id)
    links = {
        "thumbnail_url",
        "thumbnail_urls",
        "result_url",
        "mask_url",
        "before_url",
        "original_url",
    }  # signed anew at every call
    assert {k: v for k, v in after.items() if k not in links} == {k: v for k, v in done.items() if k not in links}
    assert objects_of(stack, job_id) == RESULT
    assert frozen.poll() is None, "it works on"


async def test_a_job_that_is_queued_many_times_runs_once(
    services: Services, start_worker: StartWorker, eye_jpeg: bytes, api: httpx.AsyncClient
) -> None:
    for _ in range(2):
        start_worker(**FAST)
    job_id = await submitted(api, eye_jpeg)
    job_row = await row(services, UUID(job_id))
    attempts = [queue.Attempt(job_row.user_id, job_row.id, number, "interactive") for number in range(1, 9)]
    await queue.enqueue(services.redis, attempts)
    job = await ended(api, job_id)
    assert (job["status"], job["attempt_count"]) == ("completed", 1)

    async def queue_is_empty() -> bool:
        return await queued(services, job_row.id) == []

    await until(queue_is_empty)
    assert (await job_of(api, job_id))["attempt_count"] == 1


async def test_a_database_clock_that_is_an_hour_ahead_delays_nothing(
    services: Services, start_worker: StartWorker, eye_jpeg: bytes
) -> None:
    user = uuid4()
    photo = await photos.add_photo(services, user, eye_jpeg)
    async with services.db.begin() as session:
        (job,) = (await db.submission.add_jobs(session, user, [photo.id], "background")).accepted
        ahead = update(Job).where(Job.id == job.id).values(created_at=func.now() + timedelta(hours=1)).returning(Job)
        job = (await session.execute(ahead)).scalar_one()
    start_worker(**FAST)
    started = time.monotonic()
    await submission.enqueue(services, [job])
    await until_completed(services, job.id)
    assert time.monotonic() - started < 60
    await photos.delete_photo(services, user, photo.id)
