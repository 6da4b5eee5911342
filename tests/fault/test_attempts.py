"""What goes wrong within an attempt: retried once, ended in words, nothing left behind, nothing done twice."""

import asyncio
from dataclasses import replace

import pytest

from orchestrator import jobs, store, sweeper
from orchestrator.api.feeds import job_feed
from orchestrator.errors import ModelUnavailable, StoreUnavailable
from orchestrator.hub import Hub
from orchestrator.inference.local import LocalInfer
from orchestrator.pipeline.decoding import Decoder
from orchestrator.services import Services
from orchestrator.tables import Job, JobStatus
from tests.fault.conftest import Faulty, attempt, queued, row
from tests.waiting import until


@pytest.mark.parametrize(
    ("fault", "error_type", "message"),
    [
        ({"error": ModelUnavailable()}, "transient_error", "Processing timed out. Please try again."),
        ({"nan": True}, "server_error", "Something went wrong. Please try again later."),
        ({"error": ZeroDivisionError("a bug")}, "server_error", "Something went wrong. Please try again later."),
    ],
    ids=["model away", "NaN", "bug"],
)
async def test_retried_once_then_failed_in_words(
    services: Services,
    local: LocalInfer,
    decoder: Decoder,
    pending: Job,
    fault: dict[str, object],
    error_type: str,
    message: str,
) -> None:
    infer = Faulty(local, **fault)  # type: ignore[arg-type]
    await attempt(services, infer, decoder, pending)
    again = await row(services, pending.id)
    assert (again.status, again.attempt, again.failures) == (JobStatus.PENDING, 1, 1)
    assert again.retry_at, "not at once: what was away may be back in a moment"
    await until(lambda: swept(services, pending))

    await attempt(services, infer, decoder, pending)
    job = await row(services, pending.id)
    assert (job.status, job.attempt, job.error_type, job.error_message) == (JobStatus.FAILED, 2, error_type, message)
    assert job.suggestion and job.suggestion.startswith('Tap "Reprocess"')
    assert await services.storage.keys(f"processed/{job.user_id}") == []
    await attempt(services, infer, decoder, pending)
    assert (await row(services, pending.id)).attempt == 2, "an ended job is never taken again"


async def swept(services: Services, job: Job) -> bool:
    """Whether a sweep has put the second attempt in line."""
    await sweeper.sweep(services)
    return await queued(services, job.id) == [f"{job.id}:2"]


async def test_second_attempt_may_succeed(
    services: Services, local: LocalInfer, decoder: Decoder, pending: Job
) -> None:
    infer = Faulty(local, error=ModelUnavailable(), times=1)
    await attempt(services, infer, decoder, pending)
    await attempt(services, infer, decoder, pending)
    job = await row(services, pending.id)
    assert (job.status, job.attempt, job.error_type) == (JobStatus.COMPLETED, 2, None)


async def test_store_that_fails_at_the_last_write_leaves_no_partial_object(
    services: Services, local: LocalInfer, decoder: Decoder, pending: Job
) -> None:
    class Broken(type(services.storage)):  # type: ignore[misc]
        async def put(self, key: str, data: bytes, content_type: str) -> None:
            if key.endswith(".jpg"):
                raise StoreUnavailable
            await super().put(key, data, content_type)

    broken = replace(services, storage=Broken(services.settings))
    for _ in range(2):
        await attempt(broken, local, decoder, pending)
    job = await row(services, pending.id)
    assert (job.status, job.error_type) == (JobStatus.FAILED, "transient_error")
    assert await services.storage.keys(f"processed/{job.user_id}") == []


async def test_a_stopped_worker_hands_its_job_back_at_once(
    services: Services, local: LocalInfer, decoder: Decoder, pending: Job
) -> None:
    task = asyncio.create_task(attempt(services, local, decoder, pending))

    async def begun() -> bool:
        return (await row(services, pending.id)).status == JobStatus.PROCESSING

    await until(begun)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await row(services, pending.id)).status == JobStatus.PENDING
    assert await queued(services, pending.id) == [f"{pending.id}:2"]


async def test_a_worker_whose_lease_is_gone_changes_nothing(
    services: Services, local: LocalInfer, decoder: Decoder, pending: Job
) -> None:
    zombie = await jobs.claim(services, pending.id)
    assert zombie
    assert await jobs.claim(services, pending.id) is None, "a held job can't be claimed"
    async with services.db.begin() as db:
        await store.renew(db, pending.id, zombie.attempt, -1)  # its lease runs out
    await sweeper.sweep(services)
    assert (await row(services, pending.id)).status == JobStatus.PENDING
    await attempt(services, local, decoder, pending)
    done = await row(services, pending.id)
    assert (done.status, done.attempt) == (JobStatus.COMPLETED, 2)
    assert await jobs.complete(services, zombie, result_key="stolen") is None
    assert not await jobs.fail(services, zombie, ModelUnavailable())
    await jobs.hand_back(services, zombie)
    after = await row(services, pending.id)
    assert (after.status, after.result_key) == (JobStatus.COMPLETED, done.result_key)


async def test_a_stream_ends_after_its_time_and_says_that_the_job_goes_on(services: Services, pending: Job) -> None:
    hub = Hub(services.redis)
    await hub.open()
    brief = services.settings.model_copy(update={"stream_seconds": 0.3})
    feed = await job_feed(replace(services, settings=brief, hub=hub), pending.user_id, pending.id, None)
    events = [event.body async for event in feed if event]
    assert [e["status"] for e in events] == ["pending", "pending"]
    assert "goes on" in events[-1]["message"]
    await hub.aclose()
