"""Streams: both transports say the same, and a client that comes back misses nothing and sees nothing twice."""

import asyncio
import json
from contextlib import aclosing, suppress
from uuid import UUID, uuid4

import httpx
import pytest
from httpx_sse import aconnect_sse
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from orchestrator.embedded.stack import Stack
from orchestrator.progress import events
from orchestrator.services import Services
from tests.streams import Message, events_of, follow, over_sse, over_websocket, websocket_address
from tests.users import bearer
from tests.waiting import ended, submitted, uploaded

ALL_JOBS = "/api/v1/processing/events"


def token_of(api: httpx.AsyncClient) -> str:
    return str(api.headers["authorization"]).removeprefix("Bearer ")


async def test_both_transports_say_the_same(api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes) -> None:
    job_id = await submitted(api, eye_jpeg)
    messages, code = await over_websocket(stack, job_id, stack.token)
    assert code == 1000
    assert messages[-1]["status"] == "completed" and str(messages[-1]["result_url"]).startswith("http")
    ids = [str(message["event_id"]) for message in messages if "event_id" in message]
    assert len(ids) == len(set(ids)) > 5

    replayed = await over_sse(api, job_id, **{"Last-Event-ID": ids[1]})
    assert [event_id for _, event_id, _ in replayed[:-1]] == ids[2:-1], "nothing missed, nothing repeated"
    assert replayed[-1][0] == "completed"


async def test_a_late_client_gets_the_last_message_at_once(
    api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes
) -> None:
    job_id = await submitted(api, eye_jpeg)
    await ended(api, job_id)
    assert [kind for kind, _, _ in await over_sse(api, job_id)] == ["completed"]
    messages, _ = await over_websocket(stack, job_id, stack.token)
    assert [message["status"] for message in messages] == ["completed"]


async def test_a_stream_takes_its_token_from_the_query_too(
    stack: Stack, api: httpx.AsyncClient, eye_jpeg: bytes
) -> None:
    path = events_of(await submitted(api, eye_jpeg))
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=60) as plain:
        response = await plain.get(path, params={"token": stack.token})
        assert response.status_code == 200 and "event: completed" in response.text
        assert (await plain.get(path)).status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "beArer"])
async def test_the_scheme_of_a_token_may_be_written_in_any_case(
    api: httpx.AsyncClient, stack: Stack, scheme: str
) -> None:
    header = {"Authorization": f"{scheme} {stack.token}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=header, trust_env=False) as client:
        assert (await client.get("/api/v1/photos")).status_code == 200
        async with client.stream("GET", ALL_JOBS) as response:
            assert response.status_code == 200
        in_query = {"token": f"{scheme} {stack.token}"}
        async with httpx.AsyncClient(base_url=stack.url, trust_env=False).stream("GET", ALL_JOBS, params=in_query) as r:
            assert r.status_code == 200
    address = websocket_address(stack, "/ws/jobs")
    async with connect(address, additional_headers=header, proxy=None) as socket:
        await (await socket.ping())
    async with connect(address, subprotocols=[Subprotocol(scheme), Subprotocol(stack.token)], proxy=None) as socket:
        assert socket.subprotocol == scheme, "a browser drops the connection otherwise"
        await (await socket.ping())
    async with connect(websocket_address(stack, "/ws/jobs", **in_query), proxy=None) as socket:
        await (await socket.ping())


async def test_what_a_client_sends_is_ignored(user_api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes) -> None:
    """Some libraries send a keep-alive of their own, as text, as bytes or as pings."""
    job_id = await submitted(user_api, eye_jpeg)
    address = websocket_address(stack, f"/ws/jobs/{job_id}", token=token_of(user_api))
    messages: list[Message] = []
    frames: list[str | bytes] = ["ping", "", "{}", "x" * 60_000, b"", b"\x00\xff", b"\x00" * 60_000]
    async with connect(address, proxy=None) as socket:
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                with suppress(ConnectionClosed):  # the server may be done before the client has read everything
                    for frame in frames:
                        await socket.send(frame)
                    await socket.ping()
                    await socket.pong()
                messages.append(json.loads(await socket.recv()))
        assert closed.value.rcvd and closed.value.rcvd.code == 1000
    assert messages[-1]["status"] == "completed" and len(messages) > 3


async def test_an_event_source_comes_back_with_its_id_and_is_told_when_there_is_no_more(
    user_api: httpx.AsyncClient, eye_jpeg: bytes
) -> None:
    """It reopens the address that it was given: an id in the query is older than the one in its header."""
    job_id = await submitted(user_api, eye_jpeg)
    path = events_of(job_id)
    everything = [(kind, event_id) async for kind, event_id, _ in follow(user_api, path)]
    ids = [event_id for _, event_id in everything]
    resumed = [event_id async for _, event_id, _ in follow(user_api, f"{path}?last_event_id={ids[1]}")]
    assert resumed == ids[2:]
    header = {"Last-Event-ID": ids[2]}
    resumed = [event_id async for _, event_id, _ in follow(user_api, f"{path}?last_event_id={ids[1]}", **header)]
    assert resumed == ids[3:]
    nothing = await user_api.get(path, headers={"Last-Event-ID": ids[-1]})
    assert nothing.status_code == 204 and not nothing.content
    assert everything[-1][0] == "completed"


async def test_an_end_that_redis_has_lost_is_told_once_too(
    user_api: httpx.AsyncClient, services: Services, eye_jpeg: bytes
) -> None:
    job_id = await submitted(user_api, eye_jpeg)
    await ended(user_api, job_id)
    await events.forget(services.redis, [UUID(job_id)])
    [(kind, event_id, _)] = await over_sse(user_api, job_id)
    assert kind == "completed" and event_id
    assert (await user_api.get(events_of(job_id), headers={"Last-Event-ID": event_id})).status_code == 204


async def test_refused_websockets_close_with_a_reason(stack: Stack, api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    job_id = await submitted(api, eye_jpeg)
    stranger = bearer(stack, uuid4())["Authorization"].removeprefix("Bearer ")
    assert await over_websocket(stack, job_id, "forged") == ([], 4401)
    assert await over_websocket(stack, job_id, stranger) == ([], 4404)
    assert await over_websocket(stack, str(uuid4()), stack.token) == ([], 4404)


async def watch_all_over_sse(api: httpx.AsyncClient, ids: set[str]) -> list[tuple[str, Message]]:
    """Ids and messages of the user's stream until all of these jobs have completed."""
    seen: list[tuple[str, Message]] = []
    async with aclosing(follow(api, ALL_JOBS)) as events_of_all:
        async for _, event_id, message in events_of_all:
            seen.append((event_id, message))
            if {m["job_id"] for _, m in seen if m["status"] == "completed"} == ids:
                break
    return seen


async def watch_all_over_websocket(address: str, ids: set[str]) -> list[Message]:
    seen: list[Message] = []
    async with connect(address, proxy=None) as socket:
        while {m["job_id"] for m in seen if m["status"] == "completed"} != ids:
            seen.append(json.loads(await socket.recv()))
    return seen


async def test_one_stream_follows_all_jobs_of_a_user(
    user_api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes
) -> None:
    address = websocket_address(stack, "/ws/jobs", token=token_of(user_api))
    body = {"photo_ids": [await uploaded(user_api, eye_jpeg)] * 2}
    ids = {j["job_id"] for j in (await user_api.post("/api/v1/processing/batch", json=body)).json()["jobs"]}
    sse, websocket = await asyncio.wait_for(
        asyncio.gather(watch_all_over_sse(user_api, ids), watch_all_over_websocket(address, ids)), 90
    )
    event_ids = [event_id for event_id, _ in sse if event_id]
    assert len(set(event_ids)) == len(event_ids)
    assert {message["job_id"] for _, message in sse} == ids
    common = {m["event_id"] for m in websocket if "event_id" in m} & set(event_ids)
    assert len(common) > 10, "the same events with the same ids"

    middle = event_ids[len(event_ids) // 2]
    missed: list[str] = []
    async with aconnect_sse(user_api, "GET", ALL_JOBS, headers={"Last-Event-ID": middle}) as source:
        async for event in source.aiter_sse():
            missed.append(event.id)
            if event.id == event_ids[-1]:
                break
    assert missed == event_ids[event_ids.index(middle) + 1 :], "nothing missed, nothing repeated"


async def test_a_websocket_resumes_after_the_last_event_id(
    user_api: httpx.AsyncClient, stack: Stack, services: Services, eye_jpeg: bytes
) -> None:
    """A client with a bad connection, which loses it after every second message."""
    job_id = await submitted(user_api, eye_jpeg)
    seen: list[str] = []
    status = ""
    while status != "completed":
        resume = {"last_event_id": seen[-1]} if seen else {}
        address = websocket_address(stack, f"/ws/jobs/{job_id}", token=token_of(user_api), **resume)
        async with connect(address, proxy=None) as socket:
            try:
                for _ in range(2):
                    message = json.loads(await socket.recv())
                    status = message["status"]
                    seen += [message["event_id"]] if "event_id" in message else []
            except ConnectionClosed:
                pass
    kept = [event.id for event in await events.replay(services.redis, events.job_stream(job_id), "")]
    assert seen == [event_id for event_id in kept if event_id in seen] and len(seen) == len(set(seen))
    assert set(kept[:-1]) <= set(seen), "every event but the last, which is made from the row"


@pytest.mark.parametrize("unknown", ["99999999999999-0", "x", "0-0", "1-1"])
async def test_an_unknown_event_id_replays_from_the_start(
    user_api: httpx.AsyncClient, eye_jpeg: bytes, unknown: str
) -> None:
    job_id = await submitted(user_api, eye_jpeg)
    kinds = [kind for kind, _, _ in await over_sse(user_api, job_id, **{"Last-Event-ID": unknown})]
    assert kinds[-1] == "completed" and len(kinds) > 5
    too_long = await user_api.get(events_of(job_id), headers={"Last-Event-ID": "1" * 65})
    assert too_long.status_code == 422
