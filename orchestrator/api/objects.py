"""The signed links of an object store in a folder. S3 answers its own links."""

import asyncio
import mimetypes
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.params import Path as InPath
from fastapi.responses import FileResponse

from orchestrator import photos
from orchestrator.api.dependencies import Open
from orchestrator.api.schemas.common import problems
from orchestrator.errors import NotAnImage, NotFound, Unreadable
from orchestrator.object_keys import id_in, user_in
from orchestrator.pipeline.header import UNKNOWN_TYPE, recognise
from orchestrator.privacy import audit_log

router = APIRouter(tags=["objects"])
Signature = Annotated[str, Query(max_length=128)]
HEAD_BYTES = 2**18
Expires = Annotated[int, Query(ge=0, le=10**12)]


@router.get(
    "/objects/{key:path}",
    response_class=Response,
    responses=problems(404) | {200: {"content": {"application/octet-stream": {}}}},
)
async def read_object(services: Open, key: str, signature: Signature, expires: Expires) -> Response:
    """Read an object, or a range of it, through a link that this service signed (folder stores; S3 signs its own)."""
    services.storage.check_link("GET", key, expires, signature)
    headers = {"Cache-Control": "private, max-age=300", "X-Content-Type-Options": "nosniff"}
    headers["Access-Control-Allow-Origin"] = "*"  # the signature alone is the permission
    headers["Access-Control-Expose-Headers"] = "ETag, Accept-Ranges, Content-Range, Content-Length"
    file = await asyncio.to_thread(services.storage.file, key)
    if owner := user_in(key):
        name = key.partition("/")[0] + "/" + key.rpartition("/")[2]
        await audit_log.record(services, owner, "file", name, by=audit_log.BY_LINK)
    content_type = mimetypes.guess_type(key)[0] or await asyncio.to_thread(_content_type, file.path)
    return FileResponse(file.path, headers=headers, media_type=content_type, stat_result=file.stat)


@router.put("/objects/{key:path}/{size_bytes}", status_code=204, responses=problems(404, 413))
async def put_object(
    services: Open,
    request: Request,
    key: str,
    size_bytes: Annotated[int, InPath(ge=0, le=10**12)],
    signature: Signature,
    expires: Expires,
) -> None:
    """Store a photo at an address from `POST /api/v1/photos/uploads` (folder stores only)."""
    services.storage.check_link("PUT", f"{key}/{size_bytes}", expires, signature)
    upload_id = id_in(key)
    if upload_id is None:
        raise NotFound
    await photos.put_upload(services, upload_id, key, size_bytes, await request.body())


def _content_type(path: Path) -> str:
    """That of an original, whose key has no ending."""
    with path.open("rb") as file:
        try:
            return recognise(file.read(HEAD_BYTES))
        except (NotAnImage, Unreadable):
            return UNKNOWN_TYPE
