"""Progress never goes down within an attempt, also with the last message: rows lag behind what was announced."""

from dataclasses import replace
from typing import Any

from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Job
from orchestrator.errors import NoIrisFound
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.jobs import cancellation, lease, recovery
from orchestrator.pipeline.decoder import Decoder
from orchestrator.pipeline.steps import SEGMENTING
from orchestrator.progress import events
from orchestrator.services import Services
from orchestrator.worker.reporter import Reporter
from tests.fault.conftest import Faulty, attempt, row


def having(services: Services, **values: Any) -> Services:
    return replace(services, settings=services.settings.model_copy(update=values))


async def check_the_end(services: Services, job: Job, status: JobStatus) -> None:
    told = [event.body for event in await events.replay(services.redis, events.job_stream(job.id), "0-0")]
    progress = [int(body["progress"]) for body in told]
    assert progress == sorted(progress) and len(set(progress)) > 1
    ended = await row(services, job.id)
    assert told[-1]["status"] == ended.status == status
    assert ended.progress == progress[-1], "who asks later hears the same"


async def test_an_attempt_that_fails(services: Services, local: OnnxInfer, decoder: Decoder, pending: Job) -> None:
    """After the first look, which is announced within half a second of the step's begin and so is not in the row."""
    await attempt(services, Faulty(local, NoIrisFound(), good=1), decoder, pending)
    await check_the_end(services, pending, JobStatus.FAILED)


async def half_way(services: Services, job: Job) -> None:
    """A worker has begun, and has announced more than it has written."""
    claim = await lease.claim(services, job.id, {})
    assert claim
    report = Reporter(services, claim, write_every_s=1e9)
    await report(SEGMENTING, 10)
    await report(SEGMENTING, 20)
    assert (await row(services, job.id)).progress < 20


async def test_a_job_that_is_cancelled(services: Services, pending: Job) -> None:
    await half_way(services, pending)
    await cancellation.cancel(services, pending.user_id, pending.id)
    await check_the_end(services, pending, JobStatus.CANCELLED)


async def test_a_job_that_is_given_up(services: Services, pending: Job) -> None:
    impatient = having(services, lease_s=-1.0, max_attempts=1)
    await half_way(impatient, pending)  # its lease has run out
    await recovery.sweep(impatient)
    await check_the_end(services, pending, JobStatus.FAILED)
