"""Devices: phones and browsers that get a push notification when a job ends."""

from uuid import UUID

from fastapi import APIRouter

from orchestrator import db
from orchestrator.api.dependencies import CurrentUser, Open
from orchestrator.api.schemas.common import problems
from orchestrator.api.schemas.devices import BrowserKeyResponse, DeviceList, DeviceRequest, DeviceResponse
from orchestrator.errors import NotFound
from orchestrator.notifications import subscriptions, vapid
from orchestrator.words import catalogue

router = APIRouter(prefix="/api/v1", tags=["notices"], responses=problems(401, 421))


@router.post("/devices", status_code=201, responses=problems(409))
async def add_device(services: Open, user: CurrentUser, body: DeviceRequest) -> DeviceResponse:
    """Register a phone or browser for push, or confirm that it is still in use. A token belongs to one user.

    Its notifications come in the language of this request's Accept-Language.
    """
    language, keys = catalogue.current.get(), body.keys.model_dump() if body.keys else None
    device = await subscriptions.add_device(services, user, body.token, body.platform, language, keys)
    return DeviceResponse.of(services, device)


@router.get("/devices")
async def list_devices(services: Open, user: CurrentUser) -> DeviceList:
    """The caller's devices."""
    async with services.db() as session:
        rows = await db.notifications.devices_of(session, user)
    return DeviceList(devices=[DeviceResponse.of(services, row) for row in rows])


@router.get("/devices/browser-key")
async def browser_key(services: Open, user: CurrentUser) -> BrowserKeyResponse:
    """The key with which a page subscribes to this service's pushes (VAPID)."""
    return BrowserKeyResponse(public_key=vapid.public_key(services.settings))


@router.delete("/devices/{device_id}", status_code=204, responses=problems(404))
async def delete_device(services: Open, user: CurrentUser, device_id: UUID) -> None:
    """Send no more notifications to a device, as when its user signs out."""
    async with services.db.begin() as session:
        if not await db.notifications.delete_device(session, user, device_id):
            raise NotFound
