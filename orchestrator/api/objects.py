"""The signed links of an object store in a folder. S3 answers its own links."""

import mimetypes
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from orchestrator import photos
from orchestrator.api.dependencies import Open
from orchestrator.api.schemas.common import problems
from orchestrator.errors import NotFound
from orchestrator.object_keys import id_in, user_in
from orchestrator.privacy import audit_log

router = APIRouter(tags=["objects"])
Signature = Annotated[str, Query(max_length=128)]
Expires = Annotated[int, Query(ge=0, le=10**12)]


@router.get(
    "/objects/{key:path}",
    response_class=Response,
    responses=problems(404) | {200: {"content": {"application/octet-stream": {}}}},
)
async def read_object(services: Open, key: str, signature: Signature, expires: Expires) -> Response:
    """Read an object through a link that this service signed (folder stores only; S3 signs its own)."""
    services.storage.check_link("GET", key, expires, signature)
    content_type = mimetypes.guess_type(key)[0] or "application/octet-stream"
    headers = {"Cache-Control": "private, max-age=300", "X-Content-Type-Options": "nosniff"}
    headers["Access-Control-Allow-Origin"] = "*"  # the signature alone is the permission
    data = await services.storage.get(key)
    if owner := user_in(key):
        file = key.partition("/")[0] + "/" + key.rpartition("/")[2]
        await audit_log.record(services, owner, "file", file, by=audit_log.BY_LINK)
    return Response(data, media_type=content_type, headers=headers)


@router.put("/objects/{key:path}/{size_bytes}", status_code=204, responses=problems(404, 413))
async def put_object(
    services: Open,
    request: Request,
    key: str,
    size_bytes: Annotated[int, Path(ge=0, le=10**12)],
    signature: Signature,
    expires: Expires,
) -> None:
    """Store a photo at an address from `POST /api/v1/photos/uploads` (folder stores only)."""
    services.storage.check_link("PUT", f"{key}/{size_bytes}", expires, signature)
    upload_id = id_in(key)
    if upload_id is None:
        raise NotFound
    await photos.put_upload(services, upload_id, key, size_bytes, await request.body())
