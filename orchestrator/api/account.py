"""The caller's account: consent, an export of everything, deletion of everything."""

from uuid import UUID

from fastapi import APIRouter

from orchestrator import db
from orchestrator.api.dependencies import CurrentUser, Open
from orchestrator.api.schemas.account import AccountRequest, AccountResponse, DeletionResponse, ExportResponse
from orchestrator.api.schemas.common import problems
from orchestrator.errors import NotFound
from orchestrator.privacy import account, audit_log

router = APIRouter(prefix="/api/v1/me", tags=["account"], responses=problems(401, 421))


@router.get("")
async def look(services: Open, user: CurrentUser) -> AccountResponse:
    """Who the caller is, and to what they have consented."""
    return AccountResponse.of(services, await account.account(services, user))


@router.post("")
async def change(services: Open, user: CurrentUser, body: AccountRequest) -> AccountResponse:
    """Give consent to the processing of biometric data, or withdraw it: jobs that have not ended are then cancelled."""
    if body.consent is None:
        return AccountResponse.of(services, await account.withdraw_consent(services, user))
    return AccountResponse.of(services, await account.give_consent(services, user, body.consent.version))


@router.delete("")
async def delete(services: Open, user: CurrentUser) -> DeletionResponse:
    """Delete everything about the caller, then count what is left: nothing. Calling it again does no harm."""
    left = await account.delete(services, user)
    return DeletionResponse(rows=left.rows, objects=left.objects, nothing_left=left.nothing)


@router.post("/exports", status_code=202)
async def begin_export(services: Open, user: CurrentUser) -> ExportResponse:
    """Have everything about the caller put into one ZIP: rows.json, and every picture."""
    return await ExportResponse.of(services, await account.begin_export(services, user))


@router.get("/exports/{export_id}", responses=problems(404))
async def get_export(services: Open, user: CurrentUser, export_id: UUID) -> ExportResponse:
    """Whether an export is ready, and where."""
    async with services.db() as session:
        export = await db.accounts.export_of(session, user, export_id)
    if export is None:
        raise NotFound
    await audit_log.record(services, user, "export", export_id)
    return await ExportResponse.of(services, export)
