"""Webhooks and devices: who is told when a job ends, while nobody looks."""

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field

from orchestrator import notices, store
from orchestrator.api.dependencies import CallerNow, CurrentUser, IdempotencyKey, Open
from orchestrator.api.schemas import Page, PageSize, problems
from orchestrator.auth import WEBHOOKS_ALL
from orchestrator.errors import Forbidden, NotFound
from orchestrator.limits import once
from orchestrator.tables import Delivery, DeliveryAttempt, DeliveryStatus, Device, Webhook

router = APIRouter(prefix="/api/v1", tags=["notices"], responses=problems(401, 421))
EventName = Literal["job.completed", "job.failed", "job.cancelled"]


class WebhookRequest(BaseModel):
    """Where to, and about what."""

    url: str = Field(min_length=1, max_length=2000, examples=["https://app.example.com/hooks/irisvue"])
    events: list[EventName] = Field(default=["job.completed", "job.failed"], min_length=1, max_length=3)
    all_users: bool = Field(default=False, strict=True, description="Jobs of everybody; needs the scope webhooks:all.")


class WebhookResponse(BaseModel):
    """A webhook. The secret is shown when it is made and when it is changed, never again."""

    id: UUID
    url: str
    events: list[str]
    all_users: bool
    disabled_at: datetime | None
    created_at: datetime
    secret: str | None = Field(default=None, description="Checks the signatures (Standard Webhooks).")

    @classmethod
    def of(cls, row: Webhook, *, with_secret: bool = False) -> Self:
        """Build the answer."""
        values = {name: getattr(row, name) for name in cls.model_fields if name != "secret"}
        return cls(**values, secret=row.secret if with_secret else None)


class WebhookList(BaseModel):
    """All of the caller's webhooks, oldest first."""

    webhooks: list[WebhookResponse]


class AttemptResponse(BaseModel):
    """One try: the answer's HTTP status, or why there was none."""

    at: datetime
    answer: int | None
    error: str | None
    ms: int

    @classmethod
    def of(cls, row: DeliveryAttempt) -> Self:
        """Build the answer."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class DeliveryResponse(BaseModel):
    """A message and how its sending went; `dead` ones were given up and can be sent once more."""

    id: UUID
    message_id: str = Field(description="What the receiver sees as `webhook-id`, the same for every try.")
    event: str
    job_id: UUID | None
    status: DeliveryStatus
    next_at: datetime | None = Field(description="When it is tried (again); null once it is sent or dead.")
    created_at: datetime
    body: dict[str, Any]
    attempts: list[AttemptResponse]

    @classmethod
    def of(cls, row: Delivery, attempts: list[DeliveryAttempt]) -> Self:
        """Build the answer."""
        return cls(
            id=row.id,
            message_id=f"msg_{row.id.hex}",
            event=row.body["type"],
            job_id=row.job_id,
            status=DeliveryStatus(row.status),
            next_at=row.next_at if row.status == DeliveryStatus.PENDING else None,
            created_at=row.created_at,
            body=row.body,
            attempts=[AttemptResponse.of(a) for a in attempts],
        )


class DeliveryList(BaseModel):
    """One page of a webhook's messages, newest first."""

    deliveries: list[DeliveryResponse]
    total: int
    page: int
    page_size: int


class DeviceRequest(BaseModel):
    """A device's registration token from Firebase Cloud Messaging."""

    token: str = Field(min_length=1, max_length=4096, pattern=r"^[!-~]+$")
    platform: Literal["android", "ios", "web"]


class DeviceResponse(BaseModel):
    """A device. Its token is not shown again."""

    id: UUID
    platform: str
    created_at: datetime
    seen_at: datetime
    push_enabled: bool = Field(description="Whether this service is set up to send push notices at all.")

    @classmethod
    def of(cls, services: Open, row: Device) -> Self:
        """Build the answer."""
        values = {name: getattr(row, name) for name in ("id", "platform", "created_at", "seen_at")}
        return cls(**values, push_enabled=services.settings.fcm_credentials is not None)


class DeviceList(BaseModel):
    """All of the caller's devices, oldest first."""

    devices: list[DeviceResponse]


@router.post("/webhooks", status_code=201, responses=problems(403, 409))
async def add_webhook(
    services: Open, caller: CallerNow, body: WebhookRequest, key: IdempotencyKey = None
) -> WebhookResponse:
    """Tell an address when jobs end. Messages are signed, sent at least once, and tried again for three days."""
    if body.all_users and WEBHOOKS_ALL not in caller.scopes:
        raise Forbidden(f"all_users needs a token with the scope {WEBHOOKS_ALL}.")
    asked = once(key, "webhooks", body.model_dump(mode="json"))
    events: list[str] = list(dict.fromkeys(body.events))
    made = await notices.add_webhook(services, caller.user, body.url, events, all_users=body.all_users, asked=asked)
    return WebhookResponse.of(made, with_secret=True)


@router.get("/webhooks")
async def list_webhooks(services: Open, user: CurrentUser) -> WebhookList:
    """The caller's webhooks."""
    async with services.db() as db:
        rows = await store.webhooks_of(db, user)
    return WebhookList(webhooks=[WebhookResponse.of(row) for row in rows])


@router.get("/webhooks/{webhook_id}", responses=problems(404))
async def get_webhook(services: Open, user: CurrentUser, webhook_id: UUID) -> WebhookResponse:
    """One webhook."""
    return WebhookResponse.of(await notices.webhook_of(services, user, webhook_id))


@router.delete("/webhooks/{webhook_id}", status_code=204, responses=problems(404))
async def delete_webhook(services: Open, user: CurrentUser, webhook_id: UUID) -> None:
    """Send nothing more there; its log goes too."""
    async with services.db.begin() as db:
        if not await store.delete_webhook(db, user, webhook_id):
            raise NotFound


@router.post("/webhooks/{webhook_id}/secret", responses=problems(404))
async def change_secret(services: Open, user: CurrentUser, webhook_id: UUID) -> WebhookResponse:
    """A new secret. For 24 hours messages carry the signatures of both."""
    return WebhookResponse.of(await notices.change_secret(services, user, webhook_id), with_secret=True)


@router.post("/webhooks/{webhook_id}/test", status_code=202, responses=problems(404))
async def send_test(services: Open, user: CurrentUser, webhook_id: UUID) -> DeliveryResponse:
    """Send a `webhook.test` message; how it went is in the deliveries."""
    return DeliveryResponse.of(await notices.send_test(services, user, webhook_id), [])


@router.get("/webhooks/{webhook_id}/deliveries", responses=problems(404))
async def list_deliveries(
    services: Open,
    user: CurrentUser,
    webhook_id: UUID,
    page: Page = 1,
    page_size: PageSize = 20,
    status: DeliveryStatus | None = None,
) -> DeliveryList:
    """What was sent and how it went; `status=dead` lists what was given up."""
    await notices.webhook_of(services, user, webhook_id)
    async with services.db() as db:
        await db.connection(execution_options={"isolation_level": "REPEATABLE READ"})  # rows and their attempts agree
        rows, total = await store.deliveries_of(db, webhook_id, status, page_size, (page - 1) * page_size)
    found = [DeliveryResponse.of(row, attempts) for row, attempts in rows]
    return DeliveryList(deliveries=found, total=total, page=page, page_size=page_size)


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", status_code=202, responses=problems(404))
async def redeliver(services: Open, user: CurrentUser, webhook_id: UUID, delivery_id: UUID) -> DeliveryResponse:
    """Send a message once more, under the same message id."""
    return DeliveryResponse.of(await notices.redeliver(services, user, webhook_id, delivery_id), [])


@router.post("/devices", status_code=201, responses=problems(409))
async def add_device(services: Open, user: CurrentUser, body: DeviceRequest) -> DeviceResponse:
    """Register a phone for push notices, or tell that it is still there. A token belongs to one user at a time."""
    return DeviceResponse.of(services, await notices.add_device(services, user, body.token, body.platform))


@router.get("/devices")
async def list_devices(services: Open, user: CurrentUser) -> DeviceList:
    """The caller's devices."""
    async with services.db() as db:
        rows = await store.devices_of(db, user)
    return DeviceList(devices=[DeviceResponse.of(services, row) for row in rows])


@router.delete("/devices/{device_id}", status_code=204, responses=problems(404))
async def delete_device(services: Open, user: CurrentUser, device_id: UUID) -> None:
    """Send nothing more to a phone, as when somebody signs out."""
    async with services.db.begin() as db:
        if not await store.delete_device(db, user, device_id):
            raise NotFound
