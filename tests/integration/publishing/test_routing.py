"""Routes decide which version serves a job, also while versions come and go under load."""

import asyncio
from typing import Any

import httpx
import pytest

from orchestrator.auth.tokens import make_token
from orchestrator.embedded.stack import DEVELOPER, Stack
from orchestrator.inference.protocol import ENHANCER, SEGMENTER
from orchestrator.publishing.golden import load_golden
from orchestrator.publishing.publisher import Publisher
from orchestrator.publishing.withdraw import withdraw
from orchestrator.rollout import routing
from tests.integration.publishing.versions import published, some_version
from tests.waiting import ended, submitted

pytestmark = pytest.mark.timeout(300)


async def test_routes_name_only_known_versions(publisher: Publisher, client: httpx.AsyncClient) -> None:
    route = f"/api/v1/models/{SEGMENTER}/route"
    assert (await client.put(route, json={"shares": {"99": 100}})).status_code == 409
    assert (await client.put(route, json={"shares": {"1": 50}})).status_code == 422
    assert (await client.put(route, json={"shares": {}})).status_code == 422
    assert (await client.put("/api/v1/models/none/route", json={"shares": {"1": 100}})).status_code == 404


async def test_only_operators_may_see_and_change_models(own_stack: Stack) -> None:
    token = make_token(DEVELOPER, own_stack.env["IRISVUE_JWT_SECRET"], scope="models:read photos")
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=own_stack.url, headers=headers, trust_env=False) as client:
        for response in (
            await client.get("/api/v1/models"),
            await client.put("/api/v1/models/iris_unet/route", json={"shares": {"1": 100}}),
            await client.post("/api/v1/models/iris_unet/rollback"),
        ):
            assert response.status_code == 403 and "models:write" in response.json()["detail"]


async def test_previews_never_mix_versions(publisher: Publisher) -> None:
    version = await some_version(publisher)
    infer = publisher.infer
    eye = next(picture.image for picture in load_golden(SEGMENTER, infer.segment_px) if picture.mask is not None)
    for pair in ({SEGMENTER: "1"}, {SEGMENTER: str(version)}):
        assert await infer.pinned(pair).preview(eye) is not None
    assert await infer.pinned({SEGMENTER: str(version), ENHANCER: "7"}).preview(eye) is None, "no such pair"


async def test_swapping_versions_under_load_fails_no_job_and_mixes_none(
    publisher: Publisher, client: httpx.AsyncClient, eye_jpeg: bytes
) -> None:
    working = asyncio.create_task(_twelve_jobs(client, eye_jpeg))
    version = await published(publisher)
    for shares in ({"1": 50, str(version): 50}, {str(version): 100}):
        await routing.set_route(publisher.services, SEGMENTER, routing.Shares(shares), "tester")
        await asyncio.sleep(1)
    first = await working
    second = await _twelve_jobs(client, eye_jpeg)
    await routing.rollback(publisher.services, SEGMENTER, "tester")
    await routing.set_route(publisher.services, SEGMENTER, routing.Shares({"1": 100}), "tester")
    working = asyncio.create_task(_twelve_jobs(client, eye_jpeg))
    await asyncio.sleep(1)
    await withdraw(publisher, SEGMENTER, version)
    third = await working
    jobs = first + second + third
    assert {job["status"] for job in jobs} == {"completed"} and {job["attempt_count"] for job in jobs} == {1}
    assert {job["model_versions"][SEGMENTER] for job in second} == {str(version)}
    assert {job["model_versions"][SEGMENTER] for job in third} == {"1"}


async def _twelve_jobs(client: httpx.AsyncClient, eye_jpeg: bytes) -> list[dict[str, Any]]:
    jobs = [await submitted(client, eye_jpeg) for _ in range(12)]
    return [await ended(client, job, 120) for job in jobs]
