"""Shares of results: made, listed and revoked by their owner, opened by anyone who has the link."""

from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, Response

from orchestrator import db, object_keys, sharing
from orchestrator.api.dependencies import CurrentUser, IdempotencyHeader, Open
from orchestrator.api.page import FOLDER
from orchestrator.api.schemas.common import problems
from orchestrator.api.schemas.shares import ShareList, ShareRequest, ShareResponse, share_url
from orchestrator.errors import NotFound
from orchestrator.idempotency import key_for
from orchestrator.privacy import audit_log

router = APIRouter(prefix="/api/v1/processing/jobs/{job_id}/shares", tags=["shares"], responses=problems(401, 404, 421))
public = APIRouter(prefix="/s", tags=["shares"])
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; style-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "private, no-cache",  # a share that is revoked is closed at once
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
PICTURE = problems(404) | {200: {"content": {"image/jpeg": {}}}}


@router.post("", status_code=201, responses=problems(409))
async def share(
    services: Open, user: CurrentUser, job_id: UUID, body: ShareRequest | None = None, key: IdempotencyHeader = None
) -> ShareResponse:
    """A link to the result that anyone may open, until it expires or is revoked. The body may be left out."""
    wanted = body or ShareRequest()
    idempotency_key = key_for(key, "share", f"{job_id} {wanted.expires_in_s}")
    added = await sharing.share(services, user, job_id, wanted.expires_in_s, idempotency_key)
    return ShareResponse.of(services, added)


@router.get("")
async def list_shares(services: Open, user: CurrentUser, job_id: UUID) -> ShareList:
    """The links that can be opened."""
    async with services.db() as session:
        if await db.jobs.job_of(session, user, job_id) is None:
            raise NotFound
        rows = await db.shares.shares_of(session, user, job_id)
    return ShareList(shares=[ShareResponse.of(services, row) for row in rows])


@router.delete("/{share_id}", status_code=204)
async def revoke(services: Open, user: CurrentUser, job_id: UUID, share_id: UUID) -> None:
    """Close a link, at once."""
    async with services.db.begin() as session:
        if not await db.shares.revoke(session, user, job_id, share_id):
            raise NotFound


@public.get("/{token}", response_class=HTMLResponse, responses={404: {"content": {"text/html": {}}}})
async def shared_page(services: Open, token: str) -> HTMLResponse:
    """A small page with the picture. A link that is guessed, expired, revoked or of a deleted job says one thing."""
    try:
        job = await sharing.shared_job(services, token)
    except NotFound:
        return HTMLResponse((FOLDER / "share-gone.html").read_text(), 404, HEADERS)
    await audit_log.record(services, job.user_id, "share", job.id, by=audit_log.BY_LINK)
    text = (FOLDER / "share.html").read_text().replace("{url}", share_url(services.settings, token))
    return HTMLResponse(text, headers=HEADERS)


@public.get("/{token}/picture.jpg", response_class=Response, responses=PICTURE)
async def shared_picture(services: Open, token: str) -> Response:
    """The shared result."""
    job = await sharing.shared_job(services, token)
    return Response(await services.storage.get(str(job.result_key)), media_type="image/jpeg", headers=HEADERS)


@public.get("/{token}/preview.jpg", response_class=Response, responses=PICTURE)
async def shared_preview(services: Open, token: str) -> Response:
    """The shared result, small enough for a message; results from before there were thumbnails as they are."""
    job = await sharing.shared_job(services, token)
    largest = list(object_keys.thumbnail_keys(job.user_id, job.id).values())[-1]
    key = largest if job.thumbnails else str(job.result_key)
    return Response(await services.storage.get(key), media_type="image/jpeg", headers=HEADERS)
