"""Photos: upload, list, look, delete; and the signed links of a folder store."""

import mimetypes
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Query, Response, UploadFile

from orchestrator import jobs, store
from orchestrator.api.dependencies import CurrentUser, Open
from orchestrator.api.schemas import Page, PageSize, PhotoList, PhotoResponse
from orchestrator.errors import NotFound

router = APIRouter(prefix="/api/v1/photos", tags=["photos"])
objects = APIRouter(tags=["objects"])


@router.post("", status_code=201)
async def upload(services: Open, user: CurrentUser, file: Annotated[UploadFile, File()]) -> PhotoResponse:
    """Upload a photo: JPEG, PNG, WebP or HEIC."""
    photo = await jobs.add_photo(services, user, await file.read())
    return await PhotoResponse.of(services, photo, None)


@router.get("")
async def list_photos(services: Open, user: CurrentUser, page: Page = 1, page_size: PageSize = 20) -> PhotoList:
    """The caller's photos, newest first."""
    async with services.db() as db:
        photos, total = await store.photos_of(db, user, page_size, (page - 1) * page_size)
        ended = await store.latest_ended_jobs(db, [p.id for p in photos])
    found = [await PhotoResponse.of(services, p, ended.get(p.id)) for p in photos]
    return PhotoList(photos=found, total=total, page=page, page_size=page_size)


@router.get("/{photo_id}")
async def get_photo(services: Open, user: CurrentUser, photo_id: UUID) -> PhotoResponse:
    """One photo."""
    async with services.db() as db:
        photo = await store.photo_of(db, user, photo_id)
        if photo is None:
            raise NotFound
        ended = await store.latest_ended_jobs(db, [photo_id])
    return await PhotoResponse.of(services, photo, ended.get(photo_id))


@router.delete("/{photo_id}", status_code=204)
async def delete_photo(services: Open, user: CurrentUser, photo_id: UUID) -> None:
    """Delete a photo, cancel its jobs and remove every object made from it."""
    await jobs.delete_photo(services, user, photo_id)


@objects.get("/objects/{key:path}", response_class=Response)
async def read_object(
    services: Open, key: str, signature: Annotated[str, Query(max_length=128)], expires: Annotated[int, Query(ge=0)]
) -> Response:
    """Read an object through a link that this service signed (folder stores only; S3 signs its own)."""
    services.storage.check_link(key, expires, signature)
    kind = mimetypes.guess_type(key)[0] or "application/octet-stream"
    headers = {"Cache-Control": "private, max-age=300", "X-Content-Type-Options": "nosniff"}
    return Response(await services.storage.get(key), media_type=kind, headers=headers)
