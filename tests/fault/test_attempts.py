"""Faults within an attempt: retried once, then failed with a reason; nothing is left over or done twice."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from orchestrator import db, photos
from orchestrator.api.feeds import job_feed
from orchestrator.db.job_states import JobStatus
from orchestrator.db.tables import Job
from orchestrator.errors import ModelUnavailable, StepTimeout, StoreUnavailable, VersionGone
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.jobs import lease, recovery
from orchestrator.pipeline.decoder import Decoder
from orchestrator.progress import events
from orchestrator.progress.hub import Hub
from orchestrator.services import Services
from tests.fault.conftest import Faulty, attempt, queued, row
from tests.waiting import until


@pytest.mark.parametrize(
    ("fault", "error_type", "message"),
    [
        ({"error": StepTimeout()}, "transient_error", "Processing timed out. Please try again."),
        ({"nan": True}, "server_error", "Something went wrong. Please try again later."),
        ({"error": ZeroDivisionError("a bug")}, "server_error", "Something went wrong. Please try again later."),
    ],
    ids=["timeout", "NaN", "bug"],
)
async def test_retried_once_then_failed_in_words(
    services: Services,
    local: OnnxInfer,
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
    assert again.retry_at, "not at once: the models may be available again in a moment"
    await until(lambda: swept(services, pending))

    await attempt(services, infer, decoder, pending)
    job = await row(services, pending.id)
    assert (job.status, job.attempt, job.error_type, job.error_message) == (JobStatus.FAILED, 2, error_type, message)
    assert job.suggestion and job.suggestion.startswith('Tap "Reprocess"')
    assert await services.storage.keys(f"processed/{job.user_id}") == []
    await attempt(services, infer, decoder, pending)
    assert (await row(services, pending.id)).attempt == 2, "an ended job is never taken again"


async def swept(services: Services, job: Job) -> bool:
    """Whether a sweep has queued the second attempt."""
    await recovery.sweep(services)
    return await queued(services, job.id) == [f"{job.id}:2"]


async def test_second_attempt_may_succeed(services: Services, local: OnnxInfer, decoder: Decoder, pending: Job) -> None:
    infer = Faulty(local, error=ModelUnavailable(), times=1)
    await attempt(services, infer, decoder, pending)
    await attempt(services, infer, decoder, pending)
    job = await row(services, pending.id)
    assert (job.status, job.attempt, job.error_type) == (JobStatus.COMPLETED, 2, None)


async def test_a_store_that_fails_at_the_last_write_leaves_no_partial_result(
    services: Services, local: OnnxInfer, decoder: Decoder, pending: Job
) -> None:
    class Broken(type(services.storage)):  # type: ignore[misc]
        async def put(self, key: str, data: bytes, content_type: str) -> None:
            if key.endswith(".jpg"):
                raise StoreUnavailable
            await super().put(key, data, content_type)

    twice = services.settings.model_copy(update={"max_outages": 2})
    broken = replace(services, storage=Broken(services.settings), settings=twice)
    for _ in range(2):
        await attempt(broken, local, decoder, pending)
    job = await row(services, pending.id)
    assert (job.status, job.error_type) == (JobStatus.FAILED, "transient_error")
    assert await services.storage.keys(f"processed/{job.user_id}") == []


async def test_a_stopped_worker_hands_its_job_back_at_once(
    services: Services, local: OnnxInfer, decoder: Decoder, pending: Job
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


async def test_a_worker_that_is_stopped_while_it_claims_hands_back_what_it_was_given(
    services: Services, local: OnnxInfer, decoder: Decoder, pending: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, given = lease.claim, asyncio.Event()

    async def slow(*arguments: Any) -> Any:
        """The row is written; the answer takes its time."""
        answer = await claim(*arguments)
        given.set()
        await asyncio.sleep(0.1)
        return answer

    monkeypatch.setattr(lease, "claim", slow)
    task = asyncio.create_task(attempt(services, local, decoder, pending))
    await given.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await row(services, pending.id)).status == JobStatus.PENDING
    assert await queued(services, pending.id) == [f"{pending.id}:2"]


async def test_a_worker_whose_lease_has_run_out_changes_nothing(
    services: Services, local: OnnxInfer, decoder: Decoder, pending: Job
) -> None:
    expired = await lease.claim(services, pending.id, {})
    assert expired
    assert await lease.claim(services, pending.id, {}) is None, "a held job can't be claimed"
    async with services.db.begin() as session:
        await db.jobs.renew(session, pending.id, expired.attempt, -1)  # its lease runs out
    await recovery.sweep(services)
    assert (await row(services, pending.id)).status == JobStatus.PENDING
    await attempt(services, local, decoder, pending)
    done = await row(services, pending.id)
    assert (done.status, done.attempt) == (JobStatus.COMPLETED, 2)
    assert await lease.complete(services, expired, result_key="stolen") is None
    assert not await lease.fail(services, expired, ModelUnavailable())
    await lease.hand_back(services, expired)
    after = await row(services, pending.id)
    assert (after.status, after.result_key) == (JobStatus.COMPLETED, done.result_key)


async def test_a_stream_that_ends_after_its_time_says_that_the_job_goes_on(services: Services, pending: Job) -> None:
    hub = Hub(services.redis)
    await hub.open()
    brief = services.settings.model_copy(update={"stream_seconds": 0.3})
    feed = await job_feed(replace(services, settings=brief, hub=hub), pending.user_id, pending.id, None)
    events = [event.body async for event in feed if event]
    assert [e["status"] for e in events] == ["pending", "pending"]
    assert "goes on" in events[-1]["message"]
    await hub.aclose()


async def test_a_store_that_refuses_the_original_is_not_the_users_fault(
    services: Services, local: OnnxInfer, decoder: Decoder, pending: Job
) -> None:
    class Refusing(type(services.storage)):  # type: ignore[misc]
        async def get(self, key: str) -> bytes:
            raise StoreUnavailable

    refusing = replace(services, storage=Refusing(services.settings))
    await attempt(refusing, local, decoder, pending)
    assert (await row(services, pending.id)).status == JobStatus.PENDING
    await attempt(services, local, decoder, pending)
    assert (await row(services, pending.id)).status == JobStatus.COMPLETED, "once the store is back"


async def test_a_slow_store_ends_the_attempt_in_time(
    services: Services, local: OnnxInfer, decoder: Decoder, pending: Job
) -> None:
    class Slow(type(services.storage)):  # type: ignore[misc]
        async def put(self, key: str, data: bytes, content_type: str) -> None:
            await super().put(key, data, content_type)
            await asyncio.sleep(60)

    hurried = services.settings.model_copy(update={"job_timeout_s": 4.0})
    slow = replace(services, settings=hurried, storage=Slow(services.settings))
    for _ in range(2):
        await attempt(slow, local, decoder, pending)
    job = await row(services, pending.id)
    assert (job.status, job.error_type) == (JobStatus.FAILED, "transient_error")
    assert await services.storage.keys(f"processed/{job.user_id}") == [], "also objects that were written in time"


async def test_sweepers_bring_each_job_back_once(services: Services, eye_jpeg: bytes) -> None:
    user = uuid4()
    photo = await photos.add_photo(services, user, eye_jpeg)
    async with services.db.begin() as session:
        lost = (await db.submission.add_jobs(session, user, [photo.id] * 12, "interactive")).accepted
        for job in lost:
            await db.jobs.claim(session, job.id, -1, {})
    recovered = await asyncio.gather(*(recovery.sweep(services) for _ in range(4)))
    assert sum(recovered) >= 12
    for job in lost:
        assert await queued(services, job.id) == [f"{job.id}:2"]
        assert (await row(services, job.id)).attempt == 1
    await photos.delete_photo(services, user, photo.id)


async def test_a_job_whose_workers_all_die_is_given_up(services: Services, pending: Job) -> None:
    for _ in range(services.settings.max_attempts):
        async with services.db.begin() as session:
            assert await db.jobs.claim(session, pending.id, -1, {})
        await recovery.sweep(services)
    job = await row(services, pending.id)
    assert (job.status, job.error_type) == (JobStatus.FAILED, "server_error")
    assert job.error_message == "Something went wrong. Please try again later."
    (last,) = (await events.replay(services.redis, events.job_stream(job.id), ""))[-1:]
    assert last.kind == "failed", "watchers are told"


async def test_events_of_an_old_attempt_or_after_the_end_are_dropped(services: Services, pending: Job) -> None:
    async def publish(attempt: int, status: str, done: int) -> str:
        body = events.message(pending.id, status, done, "x")
        return await events.publish(services.redis, pending.user_id, attempt, body)

    assert await publish(1, "processing", 50)
    assert await publish(2, "processing", 5)
    assert not await publish(1, "processing", 60), "a worker whose lease has run out"
    assert await publish(2, "completed", 100)
    assert not await publish(2, "completed", 100) and not await publish(3, "processing", 1)
    kept = await events.replay(services.redis, events.job_stream(pending.id), "")
    assert [e.body["progress"] for e in kept] == [50, 5, 100]


async def test_a_job_keeps_its_versions_until_one_is_withdrawn(services: Services, pending: Job) -> None:
    first = await lease.claim(services, pending.id, {"iris_unet": "1"})
    assert first and first.versions == {"iris_unet": "1"}
    assert not await lease.fail(services, first, ModelUnavailable())
    second = await lease.claim(services, pending.id, {"iris_unet": "2"})
    assert second and (second.attempt, second.versions) == (2, {"iris_unet": "1"}), "a newer one is not taken"
    await lease.hand_back(services, second)
    again = replace(services, settings=services.settings.model_copy(update={"max_failures": 3}))
    third = await lease.claim(services, pending.id, {"iris_unet": "2"})
    assert third and third.versions == {"iris_unet": "1"}
    assert not await lease.fail(again, third, VersionGone("iris_unet: version 1 is not found"))
    fourth = await lease.claim(services, pending.id, {"iris_unet": "2"})
    assert fourth and fourth.versions == {"iris_unet": "2"}
    assert await lease.fail(services, fourth, VersionGone("iris_unet: version 2 is not found"))
    assert (await row(services, pending.id)).error_type == "server_error"
