"""Signed uploads: a client PUTs the photo to an address, and the API takes it over."""

import asyncio
from uuid import uuid4

import httpx

from orchestrator.embedded.stack import Stack
from tests.users import bearer

UPLOADS = "/api/v1/photos/uploads"


async def begun(api: httpx.AsyncClient, data: bytes, content_type: str = "image/jpeg") -> dict[str, object]:
    """A new upload, as the API answers it: with its address and headers."""
    response = await api.post(UPLOADS, json={"content_type": content_type, "size_bytes": len(data)})
    assert response.status_code == 201, response.text
    return dict(response.json())


async def put(upload: dict[str, object], data: bytes) -> int:
    """Send the photo without a token, because the address carries its own signature; the status."""
    async with httpx.AsyncClient(trust_env=False) as anyone:
        address, headers = str(upload["upload_url"]), upload["headers"]
        return (await anyone.put(address, content=data, headers=headers)).status_code  # type: ignore[arg-type]


async def test_a_signed_upload_becomes_a_photo(user_api: httpx.AsyncClient, eye_jpeg: bytes) -> None:
    upload = await begun(user_api, eye_jpeg)
    path = f"/api/v1/photos/{upload['id']}"
    early = await user_api.post(f"{path}/complete")
    assert early.status_code == 409 and "upload_url" in early.json()["detail"]
    assert (await user_api.get(path)).status_code == 404, "not a photo yet"

    assert await put(upload, eye_jpeg) == 204
    first, second = await asyncio.gather(*(user_api.post(f"{path}/complete") for _ in range(2)))
    assert first.status_code == second.status_code == 200
    photo = (await user_api.get(path)).json()
    assert photo["width"] > 0 and photo["content_type"] == "image/jpeg"
    async with httpx.AsyncClient(trust_env=False) as anyone:
        assert (await anyone.get(photo["original_url"])).content == eye_jpeg
    assert await put(upload, eye_jpeg) == 404, "a photo can't be changed afterwards"


async def test_completing_an_upload_many_times_at_once_makes_one_photo(
    user_api: httpx.AsyncClient, eye_jpeg: bytes
) -> None:
    for _ in range(8):
        upload = await begun(user_api, eye_jpeg)
        await put(upload, eye_jpeg)
        path = f"/api/v1/photos/{upload['id']}/complete"
        responses = await asyncio.gather(*(user_api.post(path) for _ in range(8)))
        assert [response.status_code for response in responses] == [200] * 8, [r.text for r in responses]
        assert len({response.json()["created_at"] for response in responses}) == 1


async def test_a_signed_upload_is_checked_like_any_other(user_api: httpx.AsyncClient) -> None:
    assert (await user_api.post(UPLOADS, json={"content_type": "text/plain", "size_bytes": 5})).status_code == 415
    assert (await user_api.post(UPLOADS, json={"content_type": "image/png", "size_bytes": 10**9})).status_code == 413
    text = b"no picture at all"
    upload = await begun(user_api, text, "image/png")
    assert await put(upload, text + b"!") == 422, "the announced size is signed too"
    longer = str(upload["upload_url"]).replace(f"/{len(text)}?", f"/{len(text) + 1}?")
    assert await put(upload | {"upload_url": longer}, text + b"!") == 404
    assert await put(upload, text) == 204
    path = f"/api/v1/photos/{upload['id']}/complete"
    assert (await user_api.post(path)).status_code == 415
    assert (await user_api.post(path)).status_code == 404, "a refused upload is deleted"


async def test_an_upload_can_be_abandoned_by_its_owner_alone(
    user_api: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes
) -> None:
    upload = await begun(user_api, eye_jpeg)
    await put(upload, eye_jpeg)
    path, stranger = f"/api/v1/photos/{upload['id']}", bearer(stack, uuid4())
    assert (await user_api.delete(path, headers=stranger)).status_code == 404
    assert (await user_api.post(f"{path}/complete", headers=stranger)).status_code == 404
    assert (await user_api.delete(path)).status_code == 204
    assert not [p for p in (stack.folder / "objects").rglob("*") if str(upload["id"]) in p.name]
