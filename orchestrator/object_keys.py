"""The keys of objects in the object store."""

from uuid import UUID


def original_key(user: UUID, photo_id: UUID) -> str:
    """The key of a photo's original file."""
    return f"originals/{user}/{photo_id}"


def upload_key(user: UUID, photo_id: UUID) -> str:
    """The key to which a client uploads a photo itself. It is copied when complete, so that it can't change later."""
    return f"uploads/{user}/{photo_id}"


THUMBNAILS_PX = (320, 960)  # longest sides: for lists, and for a screen


def result_keys(user: UUID, job_id: UUID) -> tuple[str, str, str, str, *tuple[str, ...]]:
    """The keys of a job's result, mask and preview, the crop that the result was made from, and the thumbnails.

    They are the same for every attempt: a later attempt overwrites an earlier one.
    """
    stem = f"processed/{user}/{job_id}"
    thumbnails = (f"{stem}.{px}.jpg" for px in THUMBNAILS_PX)
    return f"{stem}.jpg", f"{stem}.mask.png", f"{stem}.preview.jpg", f"{stem}.before.jpg", *thumbnails


def thumbnail_keys(user: UUID, job_id: UUID) -> dict[int, str]:
    """The keys of a result's thumbnails, by their longest side in pixels."""
    return dict(zip(THUMBNAILS_PX, result_keys(user, job_id)[4:], strict=True))


def export_key(user: UUID, export_id: UUID) -> str:
    """The key of an archive of everything about a user."""
    return f"exports/{user}/{export_id}.zip"


def id_in(key: str) -> UUID | None:
    """The photo's or the job's id in a key; None for a key that is not one of ours."""
    try:
        return UUID(key.rpartition("/")[2].partition(".")[0])
    except ValueError:
        return None


def user_in(key: str) -> UUID | None:
    """The owner's id in a key; None for a key that is not one of ours."""
    try:
        return UUID(key.split("/")[1])
    except (ValueError, IndexError):
        return None
