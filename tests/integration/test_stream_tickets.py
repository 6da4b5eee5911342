"""Tickets open one stream, once, for clients that can't send headers."""

import json
from uuid import uuid4

import httpx
from websockets.asyncio.client import connect

from orchestrator.auth import tickets
from orchestrator.embedded.stack import Stack
from orchestrator.services import Services
from tests.streams import events_of, websocket_address
from tests.users import bearer
from tests.waiting import submitted

TICKETS = "/api/v1/stream-tickets"


async def test_a_ticket_opens_one_stream_once(user_api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes) -> None:
    job_id = await submitted(user_api, eye_jpeg)
    issued = await user_api.post(TICKETS, json={"job_id": job_id})
    assert issued.status_code == 201 and issued.json()["expires_in"] == 60
    stranger = await user_api.post(TICKETS, json={"job_id": job_id}, headers=bearer(stack, uuid4()))
    assert stranger.status_code == 404
    of_all_jobs = (await user_api.post(TICKETS, json={})).json()["ticket"]
    path, params = events_of(job_id), {"ticket": issued.json()["ticket"]}
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=60) as plain:
        assert "event: completed" in (await plain.get(path, params=params)).text
        used = await plain.get(path, params=params)
        assert used.status_code == 401 and "has been used" in used.json()["detail"]
        assert (await plain.get(path, params={"ticket": of_all_jobs})).status_code == 401, "for another stream"
        assert (await plain.get("/api/v1/processing/events", params={"ticket": "forged"})).status_code == 401


async def test_a_ticket_opens_a_websocket(user_api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes) -> None:
    job_id = await submitted(user_api, eye_jpeg)
    ticket = (await user_api.post(TICKETS, json={"job_id": job_id})).json()["ticket"]
    async with connect(websocket_address(stack, f"/ws/jobs/{job_id}", ticket=ticket), proxy=None) as socket:
        assert json.loads(await socket.recv())["job_id"] == job_id


async def test_a_ticket_expires_and_is_redeemed_once(services: Services) -> None:
    user = uuid4()
    ticket = await tickets.issue(services.redis, user, None)
    (key,) = [k async for k in services.redis.scan_iter("irisvue:ticket:*") if await services.redis.get(k)][-1:]
    assert 0 < await services.redis.ttl(key) <= tickets.TICKET_S
    assert ticket.encode() not in key, "a reader of Redis can't use it"
    assert await tickets.redeem(services.redis, ticket, None) == user
    assert await tickets.redeem(services.redis, ticket, None) is None
