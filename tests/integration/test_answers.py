"""HEAD, compression, deletions of many, and what the user's stream says of deletions."""

import asyncio
from uuid import UUID, uuid4

import httpx
import pytest

from orchestrator.embedded.stack import Stack
from tests.streams import follow
from tests.users import client_of
from tests.waiting import ended, submitted, uploaded

PHOTOS, JOBS = "/api/v1/photos", "/api/v1/processing/jobs"


async def test_head_answers_wherever_get_does(user_api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    job = await ended(user_api, await submitted(user_api, eye_jpeg))
    job_path = f"{JOBS}/{job['job_id']}"
    own = (PHOTOS, f"{PHOTOS}/{job['photo_id']}", JOBS, job_path, "/api/v1/me", "/api/v1/usage", "/health/live", "/")
    for path in (*own, "/docs", "/web/app.js", job["result_url"], f"{JOBS}/{uuid4()}"):
        get, head = await user_api.get(path), await user_api.head(path)
        assert head.status_code == get.status_code and head.content == b"", path
        assert head.headers["content-type"] == get.headers["content-type"]
    for stream in ("/api/v1/processing/events", f"{job_path}/events"):
        head = await user_api.head(stream, timeout=5)
        assert head.status_code == 200 and head.headers["content-type"].startswith("text/event-stream")
    assert (await user_api.head("/api/v1/processing/submit")).status_code == 405


async def test_text_is_compressed_and_streams_and_pictures_are_not(
    user_api: httpx.AsyncClient, eye_jpeg: bytes
) -> None:
    job_id = await submitted(user_api, eye_jpeg)
    job = await ended(user_api, job_id)
    for path in (PHOTOS, "/openapi.json", "/web/app.js", "/"):
        small = await user_api.get(path, headers={"Accept-Encoding": "br, gzip;q=0.5"})
        assert small.headers["content-encoding"] == "gzip" and "Accept-Encoding" in small.headers["vary"], path
        assert int(small.headers["content-length"]) < len(small.content)
        for refusal in ("identity", "gzip;q=0", ""):
            plain = await user_api.get(path, headers={"Accept-Encoding": refusal})
            assert "content-encoding" not in plain.headers and len(plain.content) == len(small.content)
    for path in (f"{JOBS}/{job_id}/events", job["result_url"], "/health/live"):
        answer = await user_api.get(path, headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in answer.headers, path


async def test_many_are_deleted_and_the_stream_says_so(
    user_api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes
) -> None:
    job = await ended(user_api, await submitted(user_api, eye_jpeg))
    bare = await uploaded(user_api, eye_jpeg)
    async with client_of(stack, uuid4()) as other:
        theirs = await uploaded(other, eye_jpeg)
        deletions: list[dict[str, object]] = []

        async def watch() -> None:
            async for kind, _, message in follow(user_api, "/api/v1/processing/events"):
                if kind == "deleted":
                    deletions.append(message)
                if len(deletions) == 2:
                    return

        watching = asyncio.create_task(watch())
        await asyncio.sleep(0)
        unknown = str(uuid4())
        ids = [job["photo_id"], theirs, bare, unknown]
        answer = await user_api.delete(PHOTOS, params={"photo_id": ids})
        assert answer.json() == {"deleted": [job["photo_id"], bare], "not_found": [theirs, unknown]}
        await asyncio.wait_for(watching, 20)
        assert (await other.get(f"{PHOTOS}/{theirs}")).status_code == 200
        assert (await other.get(PHOTOS)).json()["total"] == 1
    assert [(m["photo_id"], m["job_ids"], m["job_id"]) for m in deletions] == [
        (job["photo_id"], [job["job_id"]], job["job_id"]),
        (bare, [], None),
    ]
    assert all({"status", "progress", "step", "timestamp"} <= set(m) and m["type"] == "deleted" for m in deletions)
    again = await user_api.delete(PHOTOS, params={"photo_id": ids[:1]})
    assert again.json() == {"deleted": [], "not_found": ids[:1]}


@pytest.mark.parametrize("query", ["", "photo_id=x", "&".join(f"photo_id={UUID(int=n)}" for n in range(101))])
async def test_deletions_of_none_or_too_many(user_api: httpx.AsyncClient, query: str) -> None:
    assert (await user_api.delete(f"{PHOTOS}?{query}")).status_code == 422
