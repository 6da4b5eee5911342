"""Progress without silence, the place in line, and the time left."""

from dataclasses import replace
from uuid import uuid4

import httpx
import pytest
from arq.connections import ArqRedis

from orchestrator.db.tables import Job
from orchestrator.embedded.stack import Stack
from orchestrator.jobs import estimates
from orchestrator.pipeline.steps import CHECKPOINTS
from orchestrator.services import Services
from tests.streams import over_sse
from tests.users import client_of
from tests.waiting import ended, submitted, uploaded

JOBS = "/api/v1/processing/jobs"


@pytest.fixture(autouse=True)
async def something_learned(stack: Stack, eye_jpeg: bytes) -> None:
    async with client_of(stack, uuid4()) as api:
        await ended(api, await submitted(api, eye_jpeg))


async def test_every_checkpoint_is_reported(user_api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    messages = [message for _, _, message in await over_sse(user_api, await submitted(user_api, eye_jpeg))]
    percents = [int(str(message["progress"])) for message in messages if message["status"] != "pending"]
    assert percents == sorted(percents) and {*CHECKPOINTS, 100} <= set(percents)
    steps = {message["progress"]: message["step_key"] for message in messages}
    assert [steps[p] for p in (5, 20, 30, 50, 70, 80, 95)] == [
        "loading", "segmenting", "segmenting", "removing_reflections", "enhancing", "enhancing", "saving",
    ]  # fmt: skip


async def test_those_who_wait_learn_their_place_and_the_time(user_api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    photo = await uploaded(user_api, eye_jpeg)
    batch = await user_api.post("/api/v1/processing/batch", json={"photo_ids": [photo] * 8})
    jobs = batch.json()["jobs"]
    last = (await user_api.get(f"{JOBS}/{jobs[-1]['job_id']}")).json()
    assert last["status"] == "pending" and 4 <= last["queue_position"] <= 8
    messages = [message for _, _, message in await over_sse(user_api, jobs[-1]["job_id"])]
    waits = [message for message in messages if message["status"] == "pending"]
    places = [int(str(message["queue_position"])) for message in waits]
    assert len(places) > 1 and places == sorted(places, reverse=True)
    assert all(message["step_key"] == "waiting" for message in waits)
    promised = [float(str(message["eta_s"])) for message in messages if "eta_s" in message]
    assert len(promised) > len(CHECKPOINTS) and promised[-1] < promised[0]
    done = (await user_api.get(f"{JOBS}/{jobs[-1]['job_id']}")).json()
    assert (done["status"], done["queue_position"], done["eta_s"]) == ("completed", None, None)


async def test_nothing_is_promised_while_redis_is_away(services: Services) -> None:
    job = Job(id=uuid4(), user_id=uuid4(), status="pending", attempt=0, progress=0)
    away = replace(services, redis=ArqRedis(port=1))
    assert await estimates.of_job(away, job) == estimates.NOTHING
