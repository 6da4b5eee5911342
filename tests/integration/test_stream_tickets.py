"""Tickets open one stream, and its reconnects, for clients that can't send headers."""

import json
from uuid import uuid4

import httpx
from websockets.asyncio.client import connect

from orchestrator.auth import tickets
from orchestrator.embedded.stack import Stack
from orchestrator.services import Services
from tests.streams import events_of, websocket_address
from tests.users import bearer
from tests.waiting import ended, submitted

TICKETS = "/api/v1/stream-tickets"


async def test_a_ticket_opens_one_stream_and_no_other(
    user_api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes
) -> None:
    job_id = await submitted(user_api, eye_jpeg)
    issued = await user_api.post(TICKETS, json={"job_id": job_id})
    assert issued.status_code == 201 and issued.json()["expires_in"] == 60
    stranger = await user_api.post(TICKETS, json={"job_id": job_id}, headers=bearer(stack, uuid4()))
    assert stranger.status_code == 404
    of_all_jobs = (await user_api.post(TICKETS, json={})).json()["ticket"]
    path, ticket = events_of(job_id), {"ticket": issued.json()["ticket"]}
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=60) as plain:
        assert "event: completed" in (await plain.get(path, params=ticket)).text
        assert "event: completed" in (await plain.get(path, params=ticket)).text, "as an EventSource reconnects"
        for wrong in (ticket["ticket"], "forged"):
            refused = await plain.get("/api/v1/processing/events", params={"ticket": wrong})
            assert refused.status_code == 401 and "for another stream" in refused.json()["detail"]
        assert (await plain.get(path, params={"ticket": of_all_jobs})).status_code == 401
        assert "event: completed" in (await plain.get(path, params=ticket)).text


async def test_other_credentials_beside_a_ticket_do_not_spoil_it(
    user_api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes
) -> None:
    """A proxy with a sign-in of its own adds its header to every request."""
    job_id = await submitted(user_api, eye_jpeg)
    await ended(user_api, job_id)
    ticket = (await user_api.post(TICKETS, json={"job_id": job_id})).json()["ticket"]
    token = user_api.headers["authorization"].partition(" ")[2]
    for header in ("Basic dXNlcjpwYXNz", "Digest x", "Bearer", "Bearer of-the-proxy", "garbage"):
        async with httpx.AsyncClient(base_url=stack.url, headers={"Authorization": header}, trust_env=False) as proxied:
            assert (await proxied.get(events_of(job_id), params={"ticket": ticket})).status_code == 200, header
        async with connect(
            websocket_address(stack, f"/ws/jobs/{job_id}", ticket=ticket),
            additional_headers={"Authorization": header},
            proxy=None,
        ) as socket:
            assert json.loads(await socket.recv())["status"] == "completed", header
    mine = {"Authorization": f"bearer {token}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=mine, trust_env=False) as late:
        assert (await late.get(events_of(job_id), params={"ticket": "expired"})).status_code == 200


async def test_a_ticket_opens_a_websocket(user_api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes) -> None:
    job_id = await submitted(user_api, eye_jpeg)
    ticket = (await user_api.post(TICKETS, json={"job_id": job_id})).json()["ticket"]
    async with connect(websocket_address(stack, f"/ws/jobs/{job_id}", ticket=ticket), proxy=None) as socket:
        assert json.loads(await socket.recv())["job_id"] == job_id


async def test_a_ticket_expires_and_reconnects_do_not_extend_it(services: Services) -> None:
    user, job_id, stream_s = uuid4(), uuid4(), 100.0
    ticket = await tickets.issue(services.redis, user, job_id)
    (key,) = [
        k async for k in services.redis.scan_iter("irisvue:ticket:*") if str(user).encode() in await value(services, k)
    ]
    assert 0 < await services.redis.ttl(key) <= tickets.TICKET_S
    assert ticket.encode() not in key, "a reader of Redis can't use it"
    assert await tickets.redeem(services.redis, ticket, None, stream_s) is None
    assert await tickets.redeem(services.redis, ticket, uuid4(), stream_s) is None
    assert await services.redis.ttl(key) <= tickets.TICKET_S, "only its own stream uses it"
    assert await tickets.redeem(services.redis, ticket, job_id, stream_s) == user
    assert stream_s < await services.redis.ttl(key) <= stream_s + tickets.TICKET_S
    await services.redis.expire(key, 5)  # the stream's time is nearly over
    assert await tickets.redeem(services.redis, ticket, job_id, stream_s) == user
    assert await services.redis.ttl(key) <= 5


async def value(services: Services, key: bytes) -> bytes:
    return await services.redis.get(key) or b""
