"""Shares: a page that anyone with the link may open, and that shows nothing once the link is closed."""

import io
from uuid import UUID, uuid4

import httpx
import pytest
from PIL import Image
from sqlalchemy import update

from irisvue import AsyncClient
from orchestrator.auth.tokens import make_token
from orchestrator.db.tables import Share
from orchestrator.embedded.stack import Stack
from orchestrator.services import Services
from tests.users import bearer, client_of
from tests.waiting import ended, submitted

JOBS = "/api/v1/processing/jobs"
GONE = "There is no picture here, or not any more."


async def page_of(url: str) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as anyone:
        return await anyone.get(url)


async def test_a_share_shows_the_picture_and_nothing_else(stack: Stack, user: UUID, eye_jpeg: bytes) -> None:
    token = make_token(user, stack.env["IRISVUE_JWT_SECRET"])
    async with AsyncClient(stack.url, token) as client:
        job = await client.process(eye_jpeg)
        share = await client.share(job.job_id, 3600)
        assert [one.url for one in await client.shares(job.job_id)] == [share.url]
    page = await page_of(share.url)
    assert page.status_code == 200 and page.headers["x-robots-tag"] == "noindex"
    assert f'<meta property="og:image" content="{share.url}/preview.jpg">' in page.text
    assert f'<meta property="og:url" content="{share.url}">' in page.text
    for kept_back in (job.job_id, job.photo_id, str(user), "signature"):
        assert kept_back not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "http" not in policy, "nothing from elsewhere"
    for name, side in (("picture", max(job.result_width or 0, job.result_height or 0)), ("preview", 960)):
        answer = await page_of(f"{share.url}/{name}.jpg")
        assert answer.headers["content-type"] == "image/jpeg"
        assert max(Image.open(io.BytesIO(answer.content)).size) <= side


async def test_closed_links_say_all_the_same(
    stack: Stack, services: Services, user_api: httpx.AsyncClient, eye_jpeg: bytes
) -> None:
    job = await ended(user_api, await submitted(user_api, eye_jpeg))
    path = f"{JOBS}/{job['job_id']}/shares"
    revoked, expired, deleted = [(await user_api.post(path)).json() for _ in range(3)]
    assert (await user_api.delete(f"{path}/{revoked['id']}")).status_code == 204
    assert (await user_api.delete(f"{path}/{revoked['id']}")).status_code == 404
    async with services.db.begin() as session:
        expire = update(Share).where(Share.id == UUID(expired["id"])).values(expires_at=Share.created_at)
        await session.execute(expire)
    assert [one["id"] for one in (await user_api.get(path)).json()["shares"]] == [deleted["id"]]
    assert (await page_of(deleted["url"])).status_code == 200
    await user_api.delete(f"/api/v1/photos/{job['photo_id']}")
    guessed = f"{stack.url}/s/{'A' * 32}"
    pages = [await page_of(url) for url in (revoked["url"], expired["url"], deleted["url"], guessed)]
    assert {page.status_code for page in pages} == {404} and len({page.text for page in pages}) == 1
    assert GONE in pages[0].text
    for url in (revoked["url"], deleted["url"], guessed):
        assert (await page_of(f"{url}/picture.jpg")).status_code == 404


async def test_only_the_owner_shares_and_only_a_result(
    stack: Stack, user_api: httpx.AsyncClient, eye_jpeg: bytes
) -> None:
    job_id = await submitted(user_api, eye_jpeg)
    path = f"{JOBS}/{job_id}/shares"
    async with client_of(stack, uuid4()) as stranger:
        assert (await stranger.post(path)).status_code == 404 and (await stranger.get(path)).status_code == 404
    await user_api.post(f"{JOBS}/{job_id}/cancel")
    refused = await user_api.post(path)
    assert refused.status_code in (201, 409), "cancelled, unless it was quicker"
    for wrong in (0, -1, 10**9, "x"):
        assert (await user_api.post(path, json={"expires_in_s": wrong})).status_code == 422


async def test_the_same_key_shares_once(stack: Stack, user_api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    job = await ended(user_api, await submitted(user_api, eye_jpeg))
    path, key = f"{JOBS}/{job['job_id']}/shares", {"Idempotency-Key": uuid4().hex}
    first, second = [(await user_api.post(path, headers=key)).json() for _ in range(2)]
    assert first == second
    assert job["url"] == f"{stack.url}/?job={job['job_id']}"
    other = await user_api.get(f"{JOBS}/{job['job_id']}", headers=bearer(stack, uuid4()))
    assert other.status_code == 404, "its address shows it to its user alone"


@pytest.mark.parametrize("token", ["%2e%2e%2f", "x" * 200, "%00", "ü"])
async def test_odd_tokens(stack: Stack, token: str) -> None:
    assert (await page_of(f"{stack.url}/s/{token}")).status_code == 404
