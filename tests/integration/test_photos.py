"""Deleting a photo removes all that was made from it, and stops its job."""

import httpx

from orchestrator.embedded.stack import Stack
from tests.streams import events_of, follow
from tests.waiting import ended, submitted


async def test_deleting_a_photo_removes_everything_made_from_it(
    api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes
) -> None:
    job_id = await submitted(api, eye_jpeg)
    job = await ended(api, job_id)
    objects = stack.folder / "objects"
    paths = [path for path in objects.rglob("*") if job_id in path.name or job["photo_id"] in path.name]
    assert len(paths) == 6
    assert (await api.delete(f"/api/v1/photos/{job['photo_id']}")).status_code == 204
    assert not any(path.exists() for path in paths)
    for address in (f"/api/v1/photos/{job['photo_id']}", f"/api/v1/processing/jobs/{job_id}"):
        assert (await api.get(address)).status_code == 404
    async with httpx.AsyncClient(trust_env=False) as anyone:
        assert (await anyone.get(job["result_url"])).status_code == 404


async def test_deleting_a_photo_stops_its_running_job(api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes) -> None:
    job_id = await submitted(api, eye_jpeg)
    photo_id = (await api.get(f"/api/v1/processing/jobs/{job_id}")).json()["photo_id"]
    last = ""
    async for kind, _, message in follow(api, events_of(job_id)):
        last = kind
        if int(str(message["progress"])) >= 10 and kind == "progress":
            await api.delete(f"/api/v1/photos/{photo_id}")
    assert last == "cancelled"
    next_id = await submitted(api, eye_jpeg)
    assert (await ended(api, next_id))["status"] == "completed", "the worker goes on with the next job"
    assert not [path for path in (stack.folder / "objects").rglob("*") if job_id in path.name]
