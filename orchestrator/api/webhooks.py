"""Webhooks: addresses that get a message when a job ends."""

from uuid import UUID

from fastapi import APIRouter

from orchestrator import db
from orchestrator.api.dependencies import CurrentCaller, CurrentUser, IdempotencyHeader, Open
from orchestrator.api.schemas.common import Page, PageSize, problems
from orchestrator.api.schemas.webhooks import (
    DeliveryList,
    DeliveryResponse,
    WebhookList,
    WebhookRequest,
    WebhookResponse,
)
from orchestrator.auth.tokens import WEBHOOKS_ALL
from orchestrator.db.tables import DeliveryStatus
from orchestrator.errors import Forbidden, NotFound
from orchestrator.idempotency import key_for
from orchestrator.notifications import subscriptions

router = APIRouter(prefix="/api/v1", tags=["notices"], responses=problems(401, 421))


@router.post("/webhooks", status_code=201, responses=problems(403, 409))
async def add_webhook(
    services: Open, caller: CurrentCaller, body: WebhookRequest, key: IdempotencyHeader = None
) -> WebhookResponse:
    """Send a message to an address when jobs end: signed, at least once, and tried again for three days."""
    if body.all_users and WEBHOOKS_ALL not in caller.scopes:
        raise Forbidden(f"all_users needs a token with the scope {WEBHOOKS_ALL}.")
    idempotency_key = key_for(key, "webhooks", body.model_dump(mode="json"))
    events: list[str] = list(dict.fromkeys(body.events))
    webhook = await subscriptions.add_webhook(
        services, caller.user, body.url, events, all_users=body.all_users, key=idempotency_key
    )
    return WebhookResponse.of(webhook, with_secret=True)


@router.get("/webhooks")
async def list_webhooks(services: Open, user: CurrentUser) -> WebhookList:
    """The caller's webhooks."""
    async with services.db() as session:
        rows = await db.notifications.webhooks_of(session, user)
    return WebhookList(webhooks=[WebhookResponse.of(row) for row in rows])


@router.get("/webhooks/{webhook_id}", responses=problems(404))
async def get_webhook(services: Open, user: CurrentUser, webhook_id: UUID) -> WebhookResponse:
    """One webhook."""
    return WebhookResponse.of(await subscriptions.webhook_of(services, user, webhook_id))


@router.delete("/webhooks/{webhook_id}", status_code=204, responses=problems(404))
async def delete_webhook(services: Open, user: CurrentUser, webhook_id: UUID) -> None:
    """Send no more messages to this address; the log of its deliveries is deleted too."""
    async with services.db.begin() as session:
        if not await db.notifications.delete_webhook(session, user, webhook_id):
            raise NotFound


@router.post("/webhooks/{webhook_id}/secret", responses=problems(404))
async def change_secret(services: Open, user: CurrentUser, webhook_id: UUID) -> WebhookResponse:
    """A new secret. For 24 hours messages carry the signatures of both."""
    return WebhookResponse.of(await subscriptions.change_secret(services, user, webhook_id), with_secret=True)


@router.post("/webhooks/{webhook_id}/test", status_code=202, responses=problems(404))
async def send_test(services: Open, user: CurrentUser, webhook_id: UUID) -> DeliveryResponse:
    """Send a `webhook.test` message; the deliveries show how it went."""
    return DeliveryResponse.of(await subscriptions.send_test(services, user, webhook_id), [])


@router.get("/webhooks/{webhook_id}/deliveries", responses=problems(404))
async def list_deliveries(
    services: Open,
    user: CurrentUser,
    webhook_id: UUID,
    page: Page = 1,
    page_size: PageSize = 20,
    status: DeliveryStatus | None = None,
) -> DeliveryList:
    """What was sent, and how it went; `status=dead` lists what was given up."""
    await subscriptions.webhook_of(services, user, webhook_id)
    async with services.db() as session:
        rows, total = await db.notifications.deliveries_of(
            session, webhook_id, status, page_size, (page - 1) * page_size
        )
    deliveries = [DeliveryResponse.of(row, attempts) for row, attempts in rows]
    return DeliveryList(deliveries=deliveries, total=total, page=page, page_size=page_size)


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver", status_code=202, responses=problems(404))
async def redeliver(services: Open, user: CurrentUser, webhook_id: UUID, delivery_id: UUID) -> DeliveryResponse:
    """Send a message once more, under the same message id."""
    return DeliveryResponse.of(await subscriptions.redeliver(services, user, webhook_id, delivery_id), [])
