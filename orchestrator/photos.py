"""Use cases of photos: upload, signed upload, delete."""

import asyncio
import contextlib
import re
from collections.abc import Sequence
from uuid import UUID, uuid4

from orchestrator import consent, db, idempotency, limits, object_keys
from orchestrator.db.tables import Photo, Upload
from orchestrator.errors import Conflict, NotAnImage, NotFound, StoreUnavailable, TooLarge, Unreadable
from orchestrator.idempotency import IdempotencyKey
from orchestrator.jobs import announce, cancellation
from orchestrator.observability.logs import log
from orchestrator.pipeline.header import ALSO_CALLED, CONTENT_TYPES, UNKNOWN_TYPE, Header, read_header
from orchestrator.progress import events
from orchestrator.services import Services

MAX_FILENAME = 255
ACCOUNT_DELETED = "This account was deleted while the photo was on its way."


def _check_size(services: Services, size_bytes: int) -> None:
    limit = services.settings.max_upload_bytes
    if size_bytes > limit:
        raise TooLarge(f"The file is larger than {limit // 2**20} MB.")


async def add_photo(
    services: Services,
    user: UUID,
    data: bytes,
    key: IdempotencyKey | None = None,
    filename: str | None = None,
    tenant: str = "",
) -> Photo:
    """Check the header, store the bytes, then write the row.

    Raises:
        TooLarge, NotAnImage, Unreadable: about the file. TooMany: the day's limit.
        Conflict: see `idempotency.earlier_result`; or the account was deleted meanwhile. ConsentRequired.
    """
    _check_size(services, len(data))
    async with services.db() as session:
        if (ids := await idempotency.earlier_result(session, user, key, take=False)) is not None:
            return await _earlier_photo(services, user, ids)
    header = await asyncio.to_thread(read_header, data, services.settings.max_pixels)
    photo_id = uuid4()
    object_key = object_keys.original_key(user, photo_id)
    await consent.require(services, user)
    async with services.db.begin() as session:
        await limits.book_upload_bytes(services, session, user, len(data), tenant)
    await services.storage.put(object_key, data, header.content_type)
    try:
        async with services.db.begin() as session:
            if (ids := await idempotency.earlier_result(session, user, key)) is None:
                photo = await db.photos.add_photo(
                    session,
                    id=photo_id,
                    user_id=user,
                    object_key=object_key,
                    size_bytes=len(data),
                    filename=_clean(filename),
                    **vars(header),
                )
                await idempotency.remember(session, user, key, [photo_id])
                return photo
    except db.IntegrityError:
        await _drop_object(services, object_key)
        raise Conflict(ACCOUNT_DELETED) from None
    except BaseException:
        await _drop_object(services, object_key)
        raise
    await _drop_object(services, object_key)
    return await _earlier_photo(services, user, ids)


async def _earlier_photo(services: Services, user: UUID, ids: list[UUID]) -> Photo:
    """The photo that an earlier request with the same idempotency key created."""
    async with services.db() as session:
        photo = await db.photos.photo_of(session, user, ids[0]) if ids else None
    if photo is None:
        raise NotFound(idempotency.RESULT_DELETED)
    return photo


async def _drop_object(services: Services, key: str) -> None:
    try:
        await services.storage.delete([key])
    except StoreUnavailable:
        log.warning("object left to the cleanup", key=key)


def _clean(filename: str | None) -> str | None:
    """A file's name as sent, without folders and what can't be shown; the end of a long one."""
    name = re.split(r"[/\\]", filename or "")[-1]
    return "".join(letter for letter in name if letter.isprintable())[-MAX_FILENAME:] or None


async def begin_upload(
    services: Services,
    user: UUID,
    content_type: str,
    size_bytes: int,
    key: IdempotencyKey | None = None,
    filename: str | None = None,
    tenant: str = "",
) -> Upload:
    """Begin an upload that the client puts into the object store itself. Raises TooLarge, NotAnImage, TooMany.

    The type is what the client takes the file for; the file itself is looked at when the upload is completed.
    """
    _check_size(services, size_bytes)
    content_type = content_type.partition(";")[0].strip().lower() or UNKNOWN_TYPE
    if content_type not in (*CONTENT_TYPES, *ALSO_CALLED):
        raise NotAnImage(f"Files of the type {content_type} can't be read here. {NotAnImage.suggestion}")
    await consent.require(services, user)
    async with services.db.begin() as session:
        if (ids := await idempotency.earlier_result(session, user, key)) is not None:
            upload = await db.photos.upload_of(session, user, ids[0]) if ids else None
            if upload is None:
                raise NotFound("This upload has been completed or has expired.")
            return upload
        await limits.book_upload_bytes(services, session, user, size_bytes, tenant)
        upload_id = uuid4()
        upload = await db.photos.add_upload(
            session,
            services.settings.upload_seconds,
            id=upload_id,
            user_id=user,
            object_key=object_keys.upload_key(user, upload_id),
            content_type=content_type,
            size_bytes=size_bytes,
            filename=_clean(filename),
        )
        await idempotency.remember(session, user, key, [upload_id])
    return upload


async def complete_upload(services: Services, user: UUID, upload_id: UUID) -> Photo:
    """Make a photo of what the client put into the object store, checked like any upload. Can be called twice.

    Raises:
        NotFound: no such upload. Conflict: the file has not been put yet.
        TooLarge, NotAnImage, Unreadable: about the file, which is then deleted and the upload with it.
    """
    async with services.db() as session:
        upload = await db.photos.upload_of(session, user, upload_id)
    if upload is None:
        return await _completed(services, user, upload_id)
    try:
        data, header = await _fetch(services, upload)
    except NotFound:  # or another request has completed it since
        with contextlib.suppress(NotFound):
            return await _completed(services, user, upload_id)
        raise Conflict("The file has not been put to upload_url yet.") from None
    except (TooLarge, NotAnImage, Unreadable):
        await _refuse(services, upload)
        raise
    object_key = object_keys.original_key(user, upload_id)
    await services.storage.put(object_key, data, header.content_type)
    async with services.db.begin() as session:
        if await db.photos.upload_of(session, user, upload_id, lock=True):
            await db.photos.delete_upload(session, upload_id)
            photo = await db.photos.add_photo(
                session,
                id=upload_id,
                user_id=user,
                object_key=object_key,
                size_bytes=len(data),
                filename=upload.filename,
                **vars(header),
            )
        else:  # another request has completed or deleted it in the meantime
            return await _completed_or_dropped(services, user, upload_id, object_key)
    await _drop_object(services, upload.object_key)
    return photo


async def _completed_or_dropped(services: Services, user: UUID, upload_id: UUID, object_key: str) -> Photo:
    """As `_completed`; where there is no photo, its object goes too: it was written after the deletion."""
    try:
        return await _completed(services, user, upload_id)
    except NotFound:
        await _drop_object(services, object_key)
        raise


async def _completed(services: Services, user: UUID, upload_id: UUID) -> Photo:
    """The photo that an upload has become; look for the upload first, because both rows change in one transaction."""
    async with services.db() as session:
        photo = await db.photos.photo_of(session, user, upload_id)
    if photo is None:
        raise NotFound
    return photo


async def _fetch(services: Services, upload: Upload) -> tuple[bytes, Header]:
    size_bytes = await services.storage.size(upload.object_key)
    if size_bytes != upload.size_bytes:
        raise Unreadable(f"The file has {size_bytes} bytes, not the {upload.size_bytes} that were announced.")
    data = await services.storage.get(upload.object_key)
    return data, await asyncio.to_thread(read_header, data, services.settings.max_pixels)


async def put_upload(services: Services, upload_id: UUID, key: str, size_bytes: int, data: bytes) -> None:
    """Store what a client puts to a folder's signed address. Raises NotFound, Unreadable."""
    if len(data) != size_bytes:
        raise Unreadable(f"The file has {len(data)} bytes, not the {size_bytes} that were announced.")
    async with services.db() as session:
        if await db.photos.open_upload(session, upload_id) is None:
            raise NotFound
    await services.storage.put(key, data, "application/octet-stream")
    async with services.db() as session:
        if await db.photos.open_upload(session, upload_id) is None:  # completed or deleted in the meantime
            await _drop_object(services, key)


async def _refuse(services: Services, upload: Upload) -> None:
    await services.storage.delete([upload.object_key])
    async with services.db.begin() as session:
        await db.photos.delete_upload(session, upload.id)


async def delete_photo(services: Services, user: UUID, photo_id: UUID) -> None:
    """Cancel a photo's jobs, delete its objects, then its rows. A call that was interrupted can be repeated.

    Raises:
        NotFound: no such photo or upload. StoreUnavailable: the photo's rows are kept; try again.
    """
    async with services.db() as session:
        photo = await db.photos.photo_of(session, user, photo_id)
        upload = None if photo else await db.photos.upload_of(session, user, photo_id)
        job_ids = await db.photos.job_ids_of_photo(session, photo_id) if photo else []
    if upload:
        await _refuse(services, upload)
        return
    if photo is None:
        raise NotFound
    await remove(services, photo, job_ids)


async def delete_photos(services: Services, user: UUID, photo_ids: Sequence[UUID]) -> list[UUID]:
    """Delete those of these photos and uploads that are the user's; returns them. It can be repeated.

    Raises StoreUnavailable, when some may have been deleted.
    """
    deleted = []
    for photo_id in dict.fromkeys(photo_ids):
        with contextlib.suppress(NotFound):
            await delete_photo(services, user, photo_id)
            deleted.append(photo_id)
    return deleted


async def remove(services: Services, photo: Photo, job_ids: list[UUID]) -> None:
    """Cancel these jobs of the photo, delete the objects, then the rows, and tell the user's streams.

    Raises StoreUnavailable; the rows stay.
    """
    await cancellation.cancel_all(services, job_ids)
    keys = [photo.object_key, *(key for job_id in job_ids for key in object_keys.result_keys(photo.user_id, job_id))]
    await services.storage.delete(keys)
    async with services.db.begin() as session:
        late = set(await db.photos.job_ids_of_photo(session, photo.id)) - set(job_ids)  # submitted meanwhile
        cancelled = await db.jobs.cancel(session, list(late))
        await db.photos.delete_photo(session, photo.id)
    await cancellation.announce_cancelled(services, cancelled)
    try:
        await announce.publish_deleted(services, photo.user_id, photo.id, [*job_ids, *late])
        await events.forget(services.redis, [*job_ids, *late])
    except events.UNREACHABLE as error:
        log.warning("events left to expire", photo_id=str(photo.id), error=type(error).__name__)
