"""Photos: upload, signed upload, list, look, delete; and the signed links of a folder store."""

import mimetypes
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Path, Query, Request, Response, UploadFile

from orchestrator import photos, store
from orchestrator.api.dependencies import CurrentUser, IdempotencyKey, Open
from orchestrator.api.schemas import (
    Page,
    PageSize,
    PhotoList,
    PhotoResponse,
    UploadRequest,
    UploadResponse,
    problems,
)
from orchestrator.errors import NotFound
from orchestrator.limits import once
from orchestrator.storage import id_in, user_in
from orchestrator.trail import BY_LINK, opened

router = APIRouter(prefix="/api/v1/photos", tags=["photos"], responses=problems(401, 421))
objects = APIRouter(tags=["objects"])
Signature = Annotated[str, Query(max_length=128)]
Expires = Annotated[int, Query(ge=0, le=10**12)]


@router.post("", status_code=201, responses=problems(409, 413, 415, 429))
async def upload(
    services: Open, user: CurrentUser, file: Annotated[UploadFile, File()], key: IdempotencyKey = None
) -> PhotoResponse:
    """Upload a photo: JPEG, PNG, WebP or HEIC."""
    data = await file.read()
    photo = await photos.add_photo(services, user, data, once(key, "upload", data))
    return await PhotoResponse.of(services, photo, None)


@router.post("/uploads", status_code=201, responses=problems(409, 413, 415, 429))
async def begin_upload(
    services: Open, user: CurrentUser, body: UploadRequest, key: IdempotencyKey = None
) -> UploadResponse:
    """An address to PUT a photo to, with the headers to send; then call `complete`."""
    asked = once(key, "uploads", body.model_dump(mode="json"))
    found = await photos.begin_upload(services, user, body.content_type, body.size_bytes, asked)
    return await UploadResponse.of(services, found)


@router.post("/{photo_id}/complete", responses=problems(404, 409, 413, 415))
async def complete_upload(services: Open, user: CurrentUser, photo_id: UUID) -> PhotoResponse:
    """The photo that was put to its address, checked like an upload."""
    return await PhotoResponse.of(services, await photos.complete_upload(services, user, photo_id), None)


@router.get("")
async def list_photos(services: Open, user: CurrentUser, page: Page = 1, page_size: PageSize = 20) -> PhotoList:
    """The caller's photos, newest first."""
    async with services.db() as db:
        rows, total = await store.photos_of(db, user, page_size, (page - 1) * page_size)
        ended = await store.latest_ended_jobs(db, [p.id for p in rows])
    await opened(services, user, "photos")
    found = [await PhotoResponse.of(services, p, ended.get(p.id)) for p in rows]
    return PhotoList(photos=found, total=total, page=page, page_size=page_size)


@router.get("/{photo_id}", responses=problems(404))
async def get_photo(services: Open, user: CurrentUser, photo_id: UUID) -> PhotoResponse:
    """One photo."""
    async with services.db() as db:
        photo = await store.photo_of(db, user, photo_id)
        if photo is None:
            raise NotFound
        ended = await store.latest_ended_jobs(db, [photo_id])
    await opened(services, user, "photo", photo_id)
    return await PhotoResponse.of(services, photo, ended.get(photo_id))


@router.delete("/{photo_id}", status_code=204, responses=problems(404))
async def delete_photo(services: Open, user: CurrentUser, photo_id: UUID) -> None:
    """Delete a photo, cancel its jobs and remove every object made from it."""
    await photos.delete_photo(services, user, photo_id)


@objects.get(
    "/objects/{key:path}",
    response_class=Response,
    responses=problems(404) | {200: {"content": {"application/octet-stream": {}}}},
)
async def read_object(services: Open, key: str, signature: Signature, expires: Expires) -> Response:
    """Read an object through a link that this service signed (folder stores only; S3 signs its own)."""
    services.storage.check_link("GET", key, expires, signature)
    kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
    headers = {"Cache-Control": "private, max-age=300", "X-Content-Type-Options": "nosniff"}
    headers["Access-Control-Allow-Origin"] = "*"  # the signature is the permission; nothing else is asked for
    data = await services.storage.get(key)
    if owner := user_in(key):
        await opened(services, owner, "file", key.partition("/")[0] + "/" + key.rpartition("/")[2], by=BY_LINK)
    return Response(data, media_type=kind, headers=headers)


@objects.put("/objects/{key:path}/{size_bytes}", status_code=204, responses=problems(404, 413))
async def put_object(
    services: Open,
    request: Request,
    key: str,
    size_bytes: Annotated[int, Path(ge=0, le=10**12)],
    signature: Signature,
    expires: Expires,
) -> None:
    """Take a photo at an address that `POST /api/v1/photos/uploads` gave (folder stores only)."""
    services.storage.check_link("PUT", f"{key}/{size_bytes}", expires, signature)
    upload_id = id_in(key)
    if upload_id is None:
        raise NotFound
    await photos.put_upload(services, upload_id, key, size_bytes, await request.body())
