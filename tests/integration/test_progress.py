"""Events that are neither missed nor repeated."""

import asyncio
from uuid import uuid4

import pytest

from orchestrator.progress import events
from orchestrator.progress.events import Event, job_stream, message
from orchestrator.progress.hub import CLIENT_QUEUE, Hub, Mark, follow
from orchestrator.services import Services
from tests.waiting import until

USER = uuid4()


async def collect(services: Services, hub: Hub, job_id: object, after: str = "") -> list[int]:
    stream = follow(services.redis, hub, job_stream(str(job_id)), after)
    return [e.body["progress"] async for e in stream if e]


async def test_watchers_miss_nothing_and_see_nothing_twice(services: Services) -> None:
    hub, job_id = Hub(services.redis), uuid4()
    await hub.open()
    early = asyncio.create_task(collect(services, hub, job_id))
    ids = [await events.publish(services.redis, USER, 1, message(job_id, "processing", n, "x")) for n in range(50)]
    late = asyncio.create_task(collect(services, hub, job_id, ids[29]))
    for n in range(50, 99):
        await events.publish(services.redis, USER, 1, message(job_id, "processing", n, "x"))
    await events.publish(services.redis, USER, 1, message(job_id, "completed", 100, "Complete!"))
    assert await asyncio.wait_for(early, 10) == [*range(99), 100]
    assert await asyncio.wait_for(late, 10) == [*range(30, 99), 100]
    assert await services.redis.ttl(f"irisvue:progress:{job_id}") > 0, "no key without an expiry"
    await events.forget(services.redis, [job_id])
    await hub.aclose()


async def test_events_from_many_writers_at_once_all_arrive(services: Services) -> None:
    hub, job_id = Hub(services.redis), uuid4()
    await hub.open()
    await hub.ready()
    watching = asyncio.create_task(collect(services, hub, job_id))
    bodies = [message(job_id, "processing", n, "x") for n in range(90)]
    await asyncio.gather(*(events.publish(services.redis, USER, 1, body) for body in bodies))
    await events.publish(services.redis, USER, 1, message(job_id, "cancelled", 100, "x"))
    assert sorted(await asyncio.wait_for(watching, 10)) == [*range(90), 100]
    await events.forget(services.redis, [job_id])
    await hub.aclose()


async def test_a_broken_connection_to_redis_loses_no_event(services: Services) -> None:
    hub, job_id = Hub(services.redis), uuid4()
    await hub.open()
    await hub.ready()
    watching = asyncio.create_task(collect(services, hub, job_id))
    await events.publish(services.redis, USER, 1, message(job_id, "processing", 1, "x"))
    await services.redis.client_kill_filter(_type="pubsub")
    await events.publish(services.redis, USER, 1, message(job_id, "processing", 2, "x"))
    await events.publish(services.redis, USER, 1, message(job_id, "failed", 2, "x"))
    assert await asyncio.wait_for(watching, 10) == [1, 2, 2]
    await hub.aclose()


async def test_a_client_that_does_not_read_must_replay_and_delays_no_other(services: Services) -> None:
    hub, job_id = Hub(services.redis), uuid4()
    await hub.open()
    await hub.ready()
    with hub.watch(job_stream(job_id)) as frozen, hub.watch(job_stream(job_id)) as reading:
        seen = []
        for n in range(CLIENT_QUEUE + 50):
            await events.publish(services.redis, USER, 1, message(job_id, "processing", n % 100, "x"))
            event = await reading.next(5)
            assert isinstance(event, Event)
            seen.append(event.id)
        assert len(seen) == CLIENT_QUEUE + 50
        assert len(frozen.items) <= CLIENT_QUEUE
        assert Mark.REPLAY in frozen.items, "the gap is marked, so that the client replays"
    await events.forget(services.redis, [job_id])
    await hub.aclose()


@pytest.mark.parametrize("text", ["", "x", "5", "5-", "-5", "5-x", "99999999999999999999-0 or so", "٣-١"])
async def test_an_unknown_id_replays_from_the_start(services: Services, text: str) -> None:
    job_id = uuid4()
    await events.publish(services.redis, USER, 1, message(job_id, "processing", 7, "x"))

    async def kept() -> list[Event]:
        return await events.replay(services.redis, job_stream(job_id), text)

    assert [e.body["progress"] for e in await until(kept)] == [7]
    await events.forget(services.redis, [job_id])
