"""What CONTRACT promises beyond the main job: signed uploads, idempotency, cancel, limits, tickets, previews."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest
from httpx_sse import aconnect_sse
from PIL import Image
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from orchestrator import db, limits, photos
from orchestrator.auth import tickets
from orchestrator.auth.tokens import make_token
from orchestrator.config import Settings
from orchestrator.db.job_states import JobStatus
from orchestrator.embedded.stack import Stack
from orchestrator.errors import TooMany
from orchestrator.jobs import cancellation, lease, submission
from orchestrator.pipeline.images import encode_jpeg
from orchestrator.progress import stream_places
from orchestrator.services import Services, open_services
from tests.conftest import drawn_eye
from tests.waiting import ended, submitted, until


def bearer(stack: Stack, user: UUID) -> dict[str, str]:
    return {"Authorization": f"Bearer {make_token(user, stack.env['IRISVUE_JWT_SECRET'])}"}


@pytest.fixture
async def somebody(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """A user of this test alone."""
    options = {"base_url": stack.url, "timeout": 30, "trust_env": False}
    async with httpx.AsyncClient(headers=bearer(stack, uuid4()), **options) as client:  # type: ignore[arg-type]
        yield client


async def photo_of(client: httpx.AsyncClient, data: bytes) -> str:
    return str((await client.post("/api/v1/photos", files={"file": data})).json()["id"])


# Signed uploads
async def put(address: dict[str, object], data: bytes) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as anyone:  # the address carries its own signature
        return await anyone.put(str(address["upload_url"]), content=data, headers=address["headers"])  # type: ignore[arg-type]


async def test_signed_upload_becomes_a_photo(somebody: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    body = {"content_type": "image/jpeg", "size_bytes": len(eye_jpeg)}
    begun = await somebody.post("/api/v1/photos/uploads", json=body)
    assert begun.status_code == 201
    address = begun.json()
    path = f"/api/v1/photos/{address['id']}"
    early = await somebody.post(f"{path}/complete")
    assert early.status_code == 409 and "upload_url" in early.json()["detail"]
    assert (await somebody.get(path)).status_code == 404, "not a photo yet"

    assert (await put(address, eye_jpeg)).status_code == 204
    first, second = await asyncio.gather(*(somebody.post(f"{path}/complete") for _ in range(2)))
    assert first.status_code == second.status_code == 200
    photo = (await somebody.get(path)).json()
    assert photo["width"] > 0 and photo["content_type"] == "image/jpeg"
    async with httpx.AsyncClient(trust_env=False) as anyone:
        assert (await anyone.get(photo["original_url"])).content == eye_jpeg
    assert (await put(address, eye_jpeg)).status_code == 404, "nobody changes a photo afterwards"


async def test_many_who_complete_one_upload_at_once_get_one_photo(somebody: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    body = {"content_type": "image/jpeg", "size_bytes": len(eye_jpeg)}
    for _ in range(8):
        address = (await somebody.post("/api/v1/photos/uploads", json=body)).json()
        await put(address, eye_jpeg)
        path = f"/api/v1/photos/{address['id']}/complete"
        answers = await asyncio.gather(*(somebody.post(path) for _ in range(8)))
        assert [answer.status_code for answer in answers] == [200] * 8, [answer.text for answer in answers]
        assert len({answer.json()["created_at"] for answer in answers}) == 1


async def test_signed_upload_is_checked_like_any_other(somebody: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    begin = "/api/v1/photos/uploads"
    assert (await somebody.post(begin, json={"content_type": "text/plain", "size_bytes": 5})).status_code == 415
    assert (await somebody.post(begin, json={"content_type": "image/png", "size_bytes": 10**9})).status_code == 413
    text = b"no picture at all"
    address = (await somebody.post(begin, json={"content_type": "image/png", "size_bytes": len(text)})).json()
    assert (await put(address, text + b"!")).status_code == 422, "the announced size is signed too"
    other = address | {"upload_url": str(address["upload_url"]).replace(f"/{len(text)}?", f"/{len(text) + 1}?")}
    assert (await put(other, text + b"!")).status_code == 404
    assert (await put(address, text)).status_code == 204
    path = f"/api/v1/photos/{address['id']}/complete"
    assert (await somebody.post(path)).status_code == 415
    assert (await somebody.post(path)).status_code == 404, "what was refused is gone"


async def test_upload_can_be_given_up(somebody: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes) -> None:
    body = {"content_type": "image/jpeg", "size_bytes": len(eye_jpeg)}
    address = (await somebody.post("/api/v1/photos/uploads", json=body)).json()
    await put(address, eye_jpeg)
    stranger = bearer(stack, uuid4())
    assert (await somebody.delete(f"/api/v1/photos/{address['id']}", headers=stranger)).status_code == 404
    assert (await somebody.post(f"/api/v1/photos/{address['id']}/complete", headers=stranger)).status_code == 404
    assert (await somebody.delete(f"/api/v1/photos/{address['id']}")).status_code == 204
    assert not [p for p in (stack.folder / "objects").rglob("*") if address["id"] in p.name]


# Idempotency
async def test_same_key_same_answer(somebody: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    key = {"Idempotency-Key": "photo-1"}
    made = [await somebody.post("/api/v1/photos", files={"file": eye_jpeg}, headers=key) for _ in range(2)]
    assert [m.status_code for m in made] == [201, 201]
    assert made[0].json()["id"] == made[1].json()["id"]
    other = await somebody.post("/api/v1/photos", files={"file": eye_jpeg + b"x"}, headers=key)
    assert other.status_code == 409 and "Idempotency-Key" in other.json()["detail"]
    assert (await somebody.get("/api/v1/photos")).json()["total"] == 1

    body, key = {"photo_id": made[0].json()["id"]}, {"Idempotency-Key": "job-1"}
    first = await somebody.post("/api/v1/processing/submit", json=body, headers=key)
    await ended(somebody, first.json()["job_id"])
    again = await somebody.post("/api/v1/processing/submit", json=body, headers=key)
    assert again.json() == first.json(), "the first answer, though the job has gone on"
    changed = await somebody.post("/api/v1/processing/submit", json=body | {"preview": True}, headers=key)
    assert changed.status_code == 409
    elsewhere = await somebody.post("/api/v1/processing/batch", json={"photo_ids": [body["photo_id"]]}, headers=key)
    assert elsewhere.status_code == 409
    assert (await somebody.get("/api/v1/processing/jobs")).json()["total"] == 1
    for wrong in ("", "x" * 256, "with space", "ümlaut".encode()):
        headers = {"Idempotency-Key": wrong}
        answer = await somebody.post("/api/v1/processing/submit", json=body, headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == 422


async def test_a_thousand_submits_with_one_key_make_one_job(
    somebody: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes
) -> None:
    body = {"photo_id": await photo_of(somebody, eye_jpeg)}
    key, turn = {"Idempotency-Key": "once"}, asyncio.Semaphore(200)

    async def submit() -> str:
        async with turn:
            answer = await somebody.post("/api/v1/processing/submit", json=body, headers=key, timeout=120)
            assert answer.status_code == 202, answer.text
            return str(answer.json()["job_id"])

    made = await asyncio.gather(*(submit() for _ in range(1000)))
    assert len(set(made)) == 1
    assert (await somebody.get("/api/v1/processing/jobs")).json()["total"] == 1
    await somebody.post(f"/api/v1/processing/jobs/{made[0]}/cancel")


async def test_a_refused_request_does_not_use_up_its_key(somebody: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    key = {"Idempotency-Key": "again"}
    missing = {"photo_id": str(uuid4())}
    assert (await somebody.post("/api/v1/processing/submit", json=missing, headers=key)).status_code == 404
    body = {"photo_id": await photo_of(somebody, eye_jpeg)}
    assert (await somebody.post("/api/v1/processing/submit", json=body, headers=key)).status_code == 202


# Cancel and preview
async def test_cancel_stops_within_a_tile(somebody: httpx.AsyncClient, stack: Stack) -> None:
    job_id = await submitted(somebody, encode_jpeg(drawn_eye(492, 1600, 1200).image))
    seen: list[dict[str, object]] = []
    async with aconnect_sse(somebody, "GET", f"/api/v1/processing/jobs/{job_id}/events") as source:
        async for event in source.aiter_sse():
            if event.data:
                seen.append(json.loads(event.data))
                if seen[-1]["step"] == "Enhancing quality..." and seen[-1]["status"] == "processing":
                    answer = await somebody.post(f"/api/v1/processing/jobs/{job_id}/cancel")
                    assert answer.status_code == 200 and answer.json()["status"] == "cancelled"
    assert seen[-1]["status"] == "cancelled" and int(str(seen[-1]["progress"])) < 90
    enhancing = [s for s in seen if s["step"] == "Enhancing quality..." and s["status"] == "processing"]
    assert len(enhancing) < 6, "the tiles that had not been sent stay unsent"
    again = await somebody.post(f"/api/v1/processing/jobs/{job_id}/cancel")
    assert again.status_code == 409
    assert (await ended(somebody, await submitted(somebody, encode_jpeg(drawn_eye().image))))["status"] == "completed"
    assert not [p for p in (stack.folder / "objects" / "processed").rglob(f"{job_id}*")]
    retry = await somebody.post(f"/api/v1/processing/jobs/{job_id}/reprocess")
    assert retry.status_code == 202, "a cancelled job can be run again"
    await somebody.post(f"/api/v1/processing/jobs/{retry.json()['job_id']}/cancel")


async def test_waiting_job_is_cancelled_at_once(services: Services, eye_jpeg: bytes) -> None:
    user = uuid4()
    photo = await photos.add_photo(services, user, eye_jpeg)
    async with services.db.begin() as session:
        (job,) = await db.jobs.add_jobs(session, user, [photo.id], "background")
    assert (await cancellation.cancel(services, user, job.id)).status == JobStatus.CANCELLED
    assert await lease.claim(services, job.id, {}) is None, "a worker that takes it out of the queue leaves it alone"


async def test_preview_comes_before_the_result(somebody: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    body = {"photo_id": await photo_of(somebody, eye_jpeg), "preview": True}
    job_id = (await somebody.post("/api/v1/processing/submit", json=body)).json()["job_id"]
    previews, progress = [], []
    async with aconnect_sse(somebody, "GET", f"/api/v1/processing/jobs/{job_id}/events") as source:
        async for event in source.aiter_sse():
            if event.data:
                message = json.loads(event.data)
                progress.append(message["progress"])
                if "preview_url" in message:
                    previews.append((message["progress"], message["preview_url"]))
    assert len(previews) == 1 and previews[0][0] < 40
    assert progress == sorted(progress)
    job = (await somebody.get(f"/api/v1/processing/jobs/{job_id}")).json()
    for url in (previews[0][1], job["preview_url"]):
        async with httpx.AsyncClient(trust_env=False) as anyone:
            picture = np.asarray(Image.open(io.BytesIO((await anyone.get(url)).content)))
        assert picture.shape == (1024, 1024, 3)
        assert picture[:40, :40].max() < 16 and picture[300:700, 300:700].mean() > 8, "an iris on black"


# Limits
@pytest.fixture
async def strict(config: Settings) -> AsyncIterator[Services]:
    tight = {"user_unfinished_jobs": 3, "user_bytes_a_day": 100_000, "user_streams": 2}
    async with open_services(config.model_copy(update=tight)) as opened:
        yield opened


async def test_unfinished_jobs_are_limited_also_at_once(strict: Services, eye_jpeg: bytes) -> None:
    user = uuid4()
    photo = await photos.add_photo(strict, user, eye_jpeg)
    # Cancelled before a worker takes them: what counts is what has not ended.
    tried = await asyncio.gather(
        *(submission.submit(strict, user, [photo.id], "background") for _ in range(8)), return_exceptions=True
    )
    refused = [t for t in tried if isinstance(t, TooMany)]
    assert len(refused) >= 8 - 3 - 2, "at most three at a time, whichever have ended meanwhile"
    assert all(r.retry_after_s > 0 and "3 are allowed" in r.detail for r in refused)
    with pytest.raises(TooMany):
        await submission.submit(strict, user, [photo.id] * 4, "interactive")
    await photos.delete_photo(strict, user, photo.id)


async def test_overall_limit(strict: Services, config: Settings, eye_jpeg: bytes) -> None:
    user = uuid4()
    photo = await photos.add_photo(strict, user, eye_jpeg)
    async with open_services(config.model_copy(update={"unfinished_jobs": 1})) as full:
        async with full.db.begin() as session:
            await db.jobs.add_jobs(session, user, [photo.id], "interactive")
        with pytest.raises(TooMany, match="very busy"):
            await submission.submit(full, user, [photo.id], "interactive")
    await photos.delete_photo(strict, user, photo.id)


async def test_bytes_a_day_are_limited_and_deleting_gives_none_back(strict: Services, eye_jpeg: bytes) -> None:
    user, fits = uuid4(), 100_000 // len(eye_jpeg)
    for _ in range(fits):
        photo = await photos.add_photo(strict, user, eye_jpeg)
        await photos.delete_photo(strict, user, photo.id)
    with pytest.raises(TooMany) as refused:
        await photos.add_photo(strict, user, eye_jpeg)
    assert 0 < refused.value.retry_after_s <= 24 * 3600
    with pytest.raises(TooMany):
        await photos.begin_upload(strict, user, "image/jpeg", len(eye_jpeg))
    assert await strict.storage.keys(f"originals/{user}") == []
    assert 0 < limits.until_midnight_s() <= 24 * 3600 + 1


async def test_streams_are_limited_and_places_come_back(strict: Services) -> None:
    user = uuid4()
    first, second = [await stream_places.take_place(strict.redis, user, 2, 600) for _ in range(2)]
    assert first and second and await stream_places.take_place(strict.redis, user, 2, 600) is None
    await stream_places.leave_place(strict.redis, user, first)
    assert await stream_places.take_place(strict.redis, user, 2, -1), "a place whose holder died"
    assert await stream_places.take_place(strict.redis, user, 2, 600), "frees itself"
    assert await strict.redis.ttl(f"irisvue:streams:{user}") > 0


async def test_too_many_is_answered_429_with_retry_after(stack: Stack, eye_jpeg: bytes) -> None:
    allowed = 100  # the default
    async with httpx.AsyncClient(
        base_url=stack.url, headers=bearer(stack, uuid4()), timeout=60, trust_env=False
    ) as client:
        photo = await photo_of(client, eye_jpeg)
        body = {"photo_ids": [photo] * 10}
        answers = [await client.post("/api/v1/processing/batch", json=body) for _ in range(allowed // 10 + 3)]
        refused = [a for a in answers if a.status_code == 429]
        assert refused and all(a.status_code in (202, 429) for a in answers)
        assert int(refused[0].headers["retry-after"]) > 0
        assert refused[0].headers["content-type"] == "application/problem+json"
        assert refused[0].json()["code"] == "too_many"
        assert (await client.delete(f"/api/v1/photos/{photo}")).status_code == 204
        assert (await client.get("/api/v1/processing/jobs")).json()["total"] == 0


# Streams
async def test_one_stream_for_all_jobs(somebody: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes) -> None:
    photo = await photo_of(somebody, eye_jpeg)
    token = somebody.headers["authorization"].removeprefix("Bearer ")
    address = f"{stack.url.replace('http', 'ws')}/ws/jobs?token={token}"
    body = {"photo_ids": [photo, photo]}
    ids = [j["job_id"] for j in (await somebody.post("/api/v1/processing/batch", json=body)).json()["jobs"]]
    over_sse: list[tuple[str, dict[str, str]]] = []
    over_ws: list[dict[str, str]] = []

    async def sse() -> None:
        async with aconnect_sse(somebody, "GET", "/api/v1/processing/events") as source:
            async for event in source.aiter_sse():
                if event.data:
                    over_sse.append((event.id, json.loads(event.data)))
                if {m["job_id"] for _, m in over_sse if m["status"] == "completed"} == set(ids):
                    return

    async def websocket() -> None:
        async with connect(address, proxy=None) as socket:
            while {m["job_id"] for m in over_ws if m["status"] == "completed"} != set(ids):
                over_ws.append(json.loads(await socket.recv()))

    await asyncio.wait_for(asyncio.gather(sse(), websocket()), 90)
    numbers = [i for i, _ in over_sse if i]
    assert len(set(numbers)) == len(numbers)
    assert {m["job_id"] for _, m in over_sse} == set(ids)
    common = {m["event_id"] for m in over_ws if "event_id" in m} & set(numbers)
    assert len(common) > 10, "the same events with the same ids"

    middle = numbers[len(numbers) // 2]
    missed: list[str] = []
    async with aconnect_sse(somebody, "GET", "/api/v1/processing/events", headers={"Last-Event-ID": middle}) as source:
        async for event in source.aiter_sse():
            missed.append(event.id)
            if event.id == numbers[-1]:
                break
    assert missed == numbers[numbers.index(middle) + 1 :], "nothing missed, nothing repeated"


async def test_websocket_resumes_by_last_event_id(somebody: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes) -> None:
    job_id = await submitted(somebody, eye_jpeg)
    token = somebody.headers["authorization"].removeprefix("Bearer ")
    address = f"{stack.url.replace('http', 'ws')}/ws/jobs/{job_id}?token={token}"
    seen: list[str] = []
    while True:  # a client with a bad connection: it loses it after every second message
        resume = f"&last_event_id={seen[-1]}" if seen else ""
        async with connect(address + resume, proxy=None) as socket:
            try:
                for _ in range(2):
                    message = json.loads(await socket.recv())
                    seen += [message["event_id"]] if "event_id" in message else []
            except ConnectionClosed:
                pass
        if message["status"] == "completed":
            break
    kept = [i.decode() for i, _ in await everything(stack, job_id)]
    assert seen == [i for i in kept if i in seen] and len(seen) == len(set(seen))
    assert set(kept[:-1]) <= set(seen), "every event but the last, which comes fresh off the row"


async def everything(stack: Stack, job_id: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    from redis.asyncio import Redis

    async with Redis.from_url(stack.env["IRISVUE_REDIS_URL"]) as redis:
        found: list[tuple[bytes, dict[bytes, bytes]]] = await redis.xrange(f"irisvue:progress:{job_id}")
        return found


@pytest.mark.parametrize("wrong", ["99999999999999-0", "x", "0-0", "1-1"])
async def test_an_id_that_never_was_costs_nothing(somebody: httpx.AsyncClient, eye_jpeg: bytes, wrong: str) -> None:
    job_id = await submitted(somebody, eye_jpeg)
    path, headers = f"/api/v1/processing/jobs/{job_id}/events", {"Last-Event-ID": wrong}
    async with aconnect_sse(somebody, "GET", path, headers=headers) as source:
        kinds = [event.event async for event in source.aiter_sse() if event.data]
    assert kinds[-1] == "completed" and len(kinds) > 5
    too_long = await somebody.get(path, headers={"Last-Event-ID": "1" * 65})
    assert too_long.status_code == 422


async def test_ticket_opens_one_stream_once(somebody: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes) -> None:
    job_id = await submitted(somebody, eye_jpeg)
    asked = await somebody.post("/api/v1/stream-tickets", json={"job_id": job_id})
    assert asked.status_code == 201 and asked.json()["expires_in"] == 60
    stranger = await somebody.post("/api/v1/stream-tickets", json={"job_id": job_id}, headers=bearer(stack, uuid4()))
    assert stranger.status_code == 404
    everything_ticket = (await somebody.post("/api/v1/stream-tickets", json={})).json()["ticket"]
    path, params = f"/api/v1/processing/jobs/{job_id}/events", {"ticket": asked.json()["ticket"]}
    async with httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=60) as plain:
        assert "event: completed" in (await plain.get(path, params=params)).text
        used = await plain.get(path, params=params)
        assert used.status_code == 401 and "has been used" in used.json()["detail"]
        assert (await plain.get(path, params={"ticket": everything_ticket})).status_code == 401, "for another stream"
        assert (await plain.get("/api/v1/processing/events", params={"ticket": "forged"})).status_code == 401
    ticket = (await somebody.post("/api/v1/stream-tickets", json={"job_id": job_id})).json()["ticket"]
    async with connect(f"{stack.url.replace('http', 'ws')}/ws/jobs/{job_id}?ticket={ticket}", proxy=None) as socket:
        assert json.loads(await socket.recv())["status"] == "completed"


async def test_an_expired_ticket_is_gone(services: Services) -> None:
    user = uuid4()
    ticket = await tickets.issue(services.redis, user, None)
    (key,) = [k async for k in services.redis.scan_iter("irisvue:ticket:*") if await services.redis.get(k)][-1:]
    assert 0 < await services.redis.ttl(key) <= tickets.TICKET_S
    assert ticket.encode() not in key, "a reader of Redis can't use it"
    assert await tickets.redeem(services.redis, ticket, None) == user
    assert await tickets.redeem(services.redis, ticket, None) is None


async def test_no_key_of_ours_lives_for_ever(services: Services, somebody: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    await ended(somebody, await submitted(somebody, eye_jpeg))

    async def without_expiry() -> bool:
        keys = [k async for k in services.redis.scan_iter("*")]
        lasting = [k for k in keys if await services.redis.ttl(k) == -1]
        return all(k == b"irisvue:queue" for k in lasting)

    await until(without_expiry, 20)
