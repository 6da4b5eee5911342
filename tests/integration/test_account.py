"""A user's account: consent, an export of everything, deletion of everything."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from orchestrator import photos
from orchestrator.embedded.stack import Stack
from orchestrator.errors import Conflict, NotFound
from orchestrator.privacy import subject_data
from orchestrator.services import Services
from tests.api_process import api_process
from tests.users import bearer
from tests.waiting import ended, submitted, until, uploaded

ME, PHOTOS, SUBMIT = "/api/v1/me", "/api/v1/photos", "/api/v1/processing/submit"


@pytest.fixture
async def strict_api(stack: Stack, user: UUID) -> AsyncIterator[httpx.AsyncClient]:
    """As `user`, an API process that asks for consent."""
    with api_process(stack, CONSENT_VERSION="2026-11") as url:
        async with httpx.AsyncClient(base_url=url, headers=bearer(stack, user), timeout=30, trust_env=False) as client:
            yield client


async def test_nothing_is_processed_without_consent(
    strict_api: httpx.AsyncClient, user_api: httpx.AsyncClient, eye_jpeg: bytes
) -> None:
    assert (await strict_api.get(ME)).json()["consent_required"] == "2026-11"
    refused = await strict_api.post(PHOTOS, files={"file": ("eye.jpg", eye_jpeg)})
    assert (refused.status_code, refused.json()["code"]) == (403, "consent_required")
    wrong = await strict_api.post(ME, json={"consent": {"version": "2020-01"}})
    assert wrong.status_code == 422 and "2026-11" in wrong.json()["detail"]
    given = (await strict_api.post(ME, json={"consent": {"version": "2026-11"}})).json()
    assert given["consent"]["version"] == "2026-11" and given["consent"]["given_at"]
    photo = await uploaded(strict_api, eye_jpeg)
    jobs = [(await strict_api.post(SUBMIT, json={"photo_id": photo})).json()["job_id"] for _ in range(4)]

    withdrawn = (await strict_api.post(ME, json={"consent": None})).json()
    assert withdrawn["consent"] is None
    states = [(await ended(strict_api, job))["status"] for job in jobs]
    assert set(states) <= {"cancelled", "completed"} and states[-1] == "cancelled", "what had not ended is cancelled"
    again = await strict_api.post(f"/api/v1/processing/jobs/{jobs[-1]}/reprocess")
    assert (again.status_code, again.json()["code"]) == (403, "consent_required")
    begun = await strict_api.post(f"{PHOTOS}/uploads", json={"content_type": "image/jpeg", "size_bytes": 9})
    assert begun.status_code == 403
    assert (await user_api.get(f"{PHOTOS}/{photo}")).status_code == 200, "what there was stays until it is deleted"


async def test_an_export_of_everything(user_api: httpx.AsyncClient, user: UUID, stack: Stack, eye_jpeg: bytes) -> None:
    job = await ended(user_api, await submitted(user_api, eye_jpeg))
    begun = await user_api.post(f"{ME}/exports")
    assert begun.status_code == 202
    path = f"{ME}/exports/{begun.json()['id']}"

    async def ready() -> dict[str, Any] | None:
        export: dict[str, Any] = (await user_api.get(path)).json()
        return export if export["status"] != "pending" else None

    export = await until(ready, 30)
    async with httpx.AsyncClient(trust_env=False) as plain:
        data = (await plain.get(export["url"])).content
    assert export["status"] == "completed" and len(data) == export["size_bytes"]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        rows = json.loads(archive.read("rows.json"))
        assert archive.read(f"originals/{user}/{job['photo_id']}") == eye_jpeg
        assert f"processed/{user}/{job['job_id']}.jpg" in archive.namelist()
    assert [row["id"] for row in rows["jobs"]] == [job["job_id"]]
    assert (await user_api.get(path, headers=bearer(stack, uuid4()))).status_code == 404


async def test_an_account_is_deleted_with_a_proof(
    services: Services, user_api: httpx.AsyncClient, user: UUID, eye_jpeg: bytes
) -> None:
    await ended(user_api, await submitted(user_api, eye_jpeg))
    running = await submitted(user_api, eye_jpeg)
    await user_api.post("/api/v1/devices", json={"token": uuid4().hex, "platform": "ios"})
    both = await asyncio.gather(user_api.delete(ME), user_api.delete(ME))
    for answer in (*both, await user_api.delete(ME)):
        assert answer.status_code == 200, answer.text
        proof = answer.json()
        assert proof["nothing_left"] and not any([*proof["rows"].values(), *proof["objects"].values()])
    assert (await user_api.get(f"/api/v1/processing/jobs/{running}")).status_code == 404

    async def nothing_kept() -> bool:
        held = await subject_data.count_held(services, user)
        return not any(held.objects.values())

    await until(nothing_kept, 20)


class Held:
    """A store that lets an upload's bytes be written only when it is told to."""

    def __init__(self, services: Services) -> None:
        self._storage = services.storage
        self.arrived, self.go_on = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    async def put(self, *arguments: Any) -> None:
        self.arrived.set()
        await self.go_on.wait()
        await self._storage.put(*arguments)


async def test_an_upload_that_is_on_its_way_when_the_account_goes(
    services: Services, user_api: httpx.AsyncClient, user: UUID, eye_jpeg: bytes
) -> None:
    held = Held(services)
    slow = replace(services, storage=held)  # type: ignore[arg-type]
    uploading = asyncio.create_task(photos.add_photo(slow, user, eye_jpeg))
    await held.arrived.wait()
    assert (await user_api.delete(ME)).json()["nothing_left"]
    held.go_on.set()
    with pytest.raises(Conflict, match="deleted"):
        await uploading
    assert (await subject_data.count_held(services, user)).nothing

    held = Held(services)
    slow = replace(services, storage=held)  # type: ignore[arg-type]
    upload = await photos.begin_upload(services, user, "image/jpeg", len(eye_jpeg))
    await services.storage.put(upload.object_key, eye_jpeg, "image/jpeg")
    completing = asyncio.create_task(photos.complete_upload(slow, user, upload.id))
    await held.arrived.wait()
    assert (await user_api.delete(ME)).json()["nothing_left"]
    held.go_on.set()
    with pytest.raises(NotFound):
        await completing
    assert (await subject_data.count_held(services, user)).nothing
