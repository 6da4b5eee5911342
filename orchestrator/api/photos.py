"""Photos: upload, signed upload, list, look, delete."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Request, UploadFile

from orchestrator import db, photos
from orchestrator.api.dependencies import CurrentUser, IdempotencyHeader, Open
from orchestrator.api.request_faults import check_one_photo
from orchestrator.api.schemas.common import Page, PageSize, problems
from orchestrator.api.schemas.photos import PhotoList, PhotoResponse, UploadRequest, UploadResponse
from orchestrator.errors import NotFound
from orchestrator.idempotency import key_for
from orchestrator.privacy import audit_log

router = APIRouter(prefix="/api/v1/photos", tags=["photos"], responses=problems(401, 421))


@router.post("", status_code=201, responses=problems(409, 413, 415, 429))
async def upload(
    request: Request,
    services: Open,
    user: CurrentUser,
    file: Annotated[UploadFile, File()],
    key: IdempotencyHeader = None,
) -> PhotoResponse:
    """Upload a photo: JPEG, PNG, WebP, HEIC or AVIF."""
    check_one_photo(await request.form())
    data = await file.read()
    idempotency_key = key_for(key, "upload", data)
    photo = await photos.add_photo(services, user, data, idempotency_key)
    return await PhotoResponse.of(services, photo, None)


@router.post("/uploads", status_code=201, responses=problems(409, 413, 415, 429))
async def begin_upload(
    services: Open, user: CurrentUser, body: UploadRequest, key: IdempotencyHeader = None
) -> UploadResponse:
    """An address to PUT a photo to, with the headers to send; then call `complete`."""
    idempotency_key = key_for(key, "uploads", body.model_dump(mode="json"))
    begun = await photos.begin_upload(services, user, body.content_type, body.size_bytes, idempotency_key)
    return await UploadResponse.of(services, begun)


@router.post("/{photo_id}/complete", responses=problems(404, 409, 413, 415))
async def complete_upload(services: Open, user: CurrentUser, photo_id: UUID) -> PhotoResponse:
    """The photo that was put to its address, checked like an upload."""
    return await PhotoResponse.of(services, await photos.complete_upload(services, user, photo_id), None)


@router.get("")
async def list_photos(services: Open, user: CurrentUser, page: Page = 1, page_size: PageSize = 20) -> PhotoList:
    """The caller's photos, newest first."""
    async with services.db() as session:
        rows, total = await db.photos.photos_of(session, user, page_size, (page - 1) * page_size)
        latest = await db.photos.latest_ended_jobs(session, [photo.id for photo in rows])
    await audit_log.record(services, user, "photos")
    responses = [await PhotoResponse.of(services, photo, latest.get(photo.id)) for photo in rows]
    return PhotoList(photos=responses, total=total, page=page, page_size=page_size)


@router.get("/{photo_id}", responses=problems(404))
async def get_photo(services: Open, user: CurrentUser, photo_id: UUID) -> PhotoResponse:
    """One photo."""
    async with services.db() as session:
        photo = await db.photos.photo_of(session, user, photo_id)
        if photo is None:
            raise NotFound
        latest = await db.photos.latest_ended_jobs(session, [photo_id])
    await audit_log.record(services, user, "photo", photo_id)
    return await PhotoResponse.of(services, photo, latest.get(photo_id))


@router.delete("/{photo_id}", status_code=204, responses=problems(404))
async def delete_photo(services: Open, user: CurrentUser, photo_id: UUID) -> None:
    """Delete a photo, cancel its jobs and remove every object made from it."""
    await photos.delete_photo(services, user, photo_id)
