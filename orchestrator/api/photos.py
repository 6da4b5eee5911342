"""Photos: upload, signed upload, list, look, delete."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, File, Query, Request, UploadFile

from orchestrator import db, photos
from orchestrator.api.dependencies import CurrentCaller, CurrentUser, IdempotencyHeader, Open
from orchestrator.api.request_faults import check_one_photo
from orchestrator.api.schemas.common import Page, PageSize, problems
from orchestrator.api.schemas.photos import (
    DeletedPhotos,
    PhotoList,
    PhotoResponse,
    PhotoStatus,
    UploadRequest,
    UploadResponse,
)
from orchestrator.db.tables import Photo
from orchestrator.errors import NotFound
from orchestrator.idempotency import key_for
from orchestrator.privacy import audit_log
from orchestrator.services import Services

router = APIRouter(prefix="/api/v1/photos", tags=["photos"], responses=problems(401, 421))


async def _full(services: Services, photo: Photo) -> PhotoResponse:
    """The photo with its jobs: an upload that is repeated may have some."""
    async with services.db() as session:
        jobs = await db.photos.newest_jobs(session, [photo.id])
    return await PhotoResponse.of(services, photo, jobs[photo.id])


@router.post("", status_code=201, responses=problems(409, 413, 415, 429))
async def upload(
    request: Request,
    services: Open,
    caller: CurrentCaller,
    file: Annotated[UploadFile, File()],
    key: IdempotencyHeader = None,
) -> PhotoResponse:
    """Upload a photo: JPEG, PNG, WebP, HEIC or AVIF."""
    check_one_photo(await request.form())
    data = await file.read()
    idempotency_key = key_for(key, "upload", data)
    photo = await photos.add_photo(services, caller.user, data, idempotency_key, file.filename, caller.tenant)
    return await _full(services, photo)


@router.post("/uploads", status_code=201, responses=problems(409, 413, 415, 429))
async def begin_upload(
    services: Open, caller: CurrentCaller, body: UploadRequest, key: IdempotencyHeader = None
) -> UploadResponse:
    """An address to PUT a photo to, with the headers to send; then call `complete`."""
    idempotency_key = key_for(key, "uploads", body.model_dump(mode="json", exclude_none=True))
    begun = await photos.begin_upload(
        services, caller.user, body.content_type, body.size_bytes, idempotency_key, body.filename, caller.tenant
    )
    return await UploadResponse.of(services, begun)


@router.post("/{photo_id}/complete", responses=problems(404, 409, 413, 415))
async def complete_upload(services: Open, user: CurrentUser, photo_id: UUID) -> PhotoResponse:
    """The photo that was put to its address, checked like an upload."""
    return await _full(services, await photos.complete_upload(services, user, photo_id))


@router.get("")
async def list_photos(
    services: Open,
    user: CurrentUser,
    page: Page = 1,
    page_size: PageSize = 20,
    ai_processing_status: PhotoStatus | None = None,
) -> PhotoList:
    """The caller's photos, newest first, each with its newest job and its newest good result."""
    async with services.db() as session:
        rows, total = await db.photos.photos_of(session, user, page_size, (page - 1) * page_size, ai_processing_status)
        jobs = await db.photos.newest_jobs(session, [photo.id for photo in rows])
    await audit_log.record(services, user, "photos")
    responses = [await PhotoResponse.of(services, photo, jobs[photo.id]) for photo in rows]
    return PhotoList(photos=responses, total=total, page=page, page_size=page_size)


@router.get("/{photo_id}", responses=problems(404))
async def get_photo(services: Open, user: CurrentUser, photo_id: UUID) -> PhotoResponse:
    """One photo."""
    async with services.db() as session:
        photo = await db.photos.photo_of(session, user, photo_id)
        if photo is None:
            raise NotFound
    await audit_log.record(services, user, "photo", photo_id)
    return await _full(services, photo)


@router.delete("")
async def delete_photos(
    services: Open, user: CurrentUser, photo_id: Annotated[list[UUID], Query(min_length=1, max_length=100)]
) -> DeletedPhotos:
    """Delete up to a hundred photos: `?photo_id=…&photo_id=…`. Those that are not the caller's are left out."""
    deleted = await photos.delete_photos(services, user, photo_id)
    return DeletedPhotos(deleted=deleted, not_found=[one for one in dict.fromkeys(photo_id) if one not in deleted])


@router.delete("/{photo_id}", status_code=204, responses=problems(404))
async def delete_photo(services: Open, user: CurrentUser, photo_id: UUID) -> None:
    """Delete a photo, cancel its jobs and remove every object made from it."""
    await photos.delete_photo(services, user, photo_id)
