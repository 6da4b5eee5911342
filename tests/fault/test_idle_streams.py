"""Streams of jobs that wait: heartbeats that every kind of client can see, and an end that says what is true."""

import json
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

import httpx
import pytest
from httpx_sse import ServerSentEvent, aconnect_sse
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from irisvue import AsyncClient
from orchestrator.auth.tokens import make_token
from orchestrator.db.tables import Job
from orchestrator.embedded.stack import Stack
from orchestrator.progress import events
from orchestrator.services import Services
from tests.api_process import api_process
from tests.clients.test_python import cuttable

GOES_ON = "The job goes on. Connect again to follow it."
ALL_JOBS = "/api/v1/processing/events"


@pytest.fixture(scope="module")
def brief(stack: Stack) -> Iterator[str]:
    """An API process whose streams beat fast and end soon."""
    with api_process(stack, HEARTBEAT_S="0.1", STREAM_SECONDS="1") as url:
        yield url


@pytest.fixture
def token(stack: Stack, pending: Job) -> str:
    return make_token(pending.user_id, stack.env["IRISVUE_JWT_SECRET"])


def path_of(job_id: UUID) -> str:
    return f"/api/v1/processing/jobs/{job_id}/events"


@pytest.fixture
async def client(brief: str, token: str) -> AsyncIterator[httpx.AsyncClient]:
    header = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=brief, headers=header, trust_env=False, timeout=30) as opened:
        yield opened


async def read(client: httpx.AsyncClient, path: str, **options: dict[str, str]) -> list[ServerSentEvent]:
    async with aconnect_sse(client, "GET", path, **options) as source:
        return [event async for event in source.aiter_sse()]


async def test_a_heartbeat_is_no_message_to_a_program_that_reads_the_stream(
    client: httpx.AsyncClient, pending: Job
) -> None:
    received = await read(client, path_of(pending.id))
    beats = [event for event in received if event.event == "heartbeat"]
    assert len(beats) > 3 and not any(event.data for event in beats)
    messages = [json.loads(event.data) for event in received if event.data]
    assert [message["status"] for message in messages] == ["pending"] * 2
    assert messages[-1]["message"] == GOES_ON


@pytest.mark.parametrize("credential", ["ticket", "token"])
async def test_a_heartbeat_has_data_where_only_data_is_seen(
    brief: str, token: str, client: httpx.AsyncClient, pending: Job, credential: str
) -> None:
    """A browser's EventSource: credentials in the query, and no comment or empty event reaches its page."""
    ticket = (await client.post("/api/v1/stream-tickets", json={"job_id": str(pending.id)})).json()["ticket"]
    params = {"ticket": ticket} if credential == "ticket" else {"token": token}
    async with httpx.AsyncClient(base_url=brief, trust_env=False, timeout=30) as plain:
        received = await read(plain, path_of(pending.id), params=params)
    beats = [json.loads(event.data) for event in received if event.event == "heartbeat"]
    assert len(beats) > 3
    assert all(beat["type"] == "heartbeat" and beat["status"] == "pending" for beat in beats)


async def test_a_websocket_has_heartbeats_that_its_page_can_see(brief: str, token: str, pending: Job) -> None:
    for path, status in ((f"/ws/jobs/{pending.id}", "pending"), ("/ws/jobs", "pending")):
        messages = []
        async with connect(f"{brief.replace('http', 'ws')}{path}?token={token}", proxy=None) as socket:
            with pytest.raises(ConnectionClosed):
                while True:
                    messages.append(json.loads(await socket.recv()))
        beats = [message for message in messages if message.get("type") == "heartbeat"]
        assert len(beats) > 3 and {beat["status"] for beat in beats} == {status}
        assert not any("event_id" in beat for beat in beats)
        assert [message for message in messages if message not in beats][-1]["message"] == GOES_ON


async def test_the_end_of_a_stream_says_nothing_of_jobs_that_have_ended(
    client: httpx.AsyncClient, services: Services, pending: Job
) -> None:
    received: list[ServerSentEvent] = []
    async with aconnect_sse(client, "GET", ALL_JOBS) as source:
        async for event in source.aiter_sse():
            received.append(event)
            if len(received) == 1:
                done = events.message(pending.id, "completed", 100, "Complete!")
                await events.publish(services.redis, pending.user_id, 1, done)
    messages = [json.loads(event.data) for event in received if event.data]
    assert [message["status"] for message in messages] == ["pending", "completed"]
    assert not any("message" in message for message in messages)


async def test_the_end_of_a_stream_names_a_job_that_goes_on(
    client: httpx.AsyncClient, services: Services, pending: Job
) -> None:
    """Of two jobs the one that has ended is not the one that goes on, though it was the last to be heard of."""
    received: list[ServerSentEvent] = []
    async with aconnect_sse(client, "GET", ALL_JOBS) as source:
        async for event in source.aiter_sse():
            received.append(event)
            if len(received) == 1:
                done = events.message(UUID(int=1), "completed", 100, "Complete!")
                await events.publish(services.redis, pending.user_id, 1, done)
    messages = [json.loads(event.data) for event in received if event.data]
    assert [m["status"] for m in messages] == ["pending", "completed", "pending"]
    assert messages[-1]["job_id"] == str(pending.id) and messages[-1]["message"] == GOES_ON


async def test_a_resumed_stream_says_at_its_end_too_that_the_job_goes_on(
    client: httpx.AsyncClient, services: Services, pending: Job
) -> None:
    seen = await events.publish(
        services.redis, pending.user_id, 1, events.message(pending.id, "processing", 10, "Finding your iris...")
    )
    received = await read(client, path_of(pending.id), headers={"Last-Event-ID": seen})
    [message] = [json.loads(event.data) for event in received if event.data]
    assert message["message"] == GOES_ON and message["progress"] == 10


async def test_the_python_client_takes_heartbeats_for_no_message(brief: str, token: str, pending: Job) -> None:
    """It also goes on past the server's end of the stream, however long the job has waited."""
    steps: list[str] = []
    async with AsyncClient(brief, token, patience_s=0.5) as client:
        async for event in client.watch(str(pending.id)):
            steps.append(event.status)
            if len(steps) == 6:
                break
    assert steps == ["pending"] * 6


BEATS = 100  # at twenty a second, longer than the client's patience


async def test_patience_begins_when_the_connection_is_lost(stack: Stack, token: str, pending: Job) -> None:
    """However long the job has waited before, with nothing but heartbeats."""
    beats = 0

    def cut(data: bytes) -> bool:
        nonlocal beats
        before, beats = beats, beats + data.count(b"event: heartbeat")
        return before < BEATS <= beats

    seen = 0
    with api_process(stack, HEARTBEAT_S="0.05") as url:
        async with cuttable(url, cut) as broken, AsyncClient(broken, token, patience_s=3) as client:
            async for _ in client.watch(str(pending.id)):
                seen += 1
                if seen == 2:
                    break
    assert beats >= BEATS
