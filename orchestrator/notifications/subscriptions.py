"""Who wants to be told when jobs end: webhooks and devices."""

import base64
import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

from orchestrator import db, idempotency
from orchestrator.db.tables import Delivery, Device, Webhook
from orchestrator.errors import Conflict, NotFound
from orchestrator.idempotency import IdempotencyKey
from orchestrator.notifications.public_addresses import check_url
from orchestrator.progress.events import timestamp
from orchestrator.services import Services

TEST_EVENT = "webhook.test"
MAX_WEBHOOKS, MAX_DEVICES = 10, 20
SECRET_BYTES = 32
BOTH_SECRETS = timedelta(hours=24)


def new_secret() -> str:
    """A signing secret as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


# Webhooks
async def add_webhook(
    services: Services, user: UUID, url: str, events: list[str], *, all_users: bool, asked: IdempotencyKey | None = None
) -> Webhook:
    """A new webhook.

    Raises:
        Invalid: an address that may not be called. Conflict: too many; or see `idempotency.earlier_result`.
    """
    check_url(url, services.settings.webhook_private_addresses)
    async with services.db.begin() as session:
        await db.users.ensure_user(session, user)
        if (made := await idempotency.earlier_result(session, user, asked)) is not None:
            before = await db.notifications.webhook_of(session, user, made[0])
            if before is None:
                raise NotFound(idempotency.RESULT_DELETED)
            return before
        await db.users.lock_user(session, user)
        if len(await db.notifications.webhooks_of(session, user)) >= MAX_WEBHOOKS:
            raise Conflict(f"You have {MAX_WEBHOOKS} webhooks already; delete one first.")
        values = {"url": url, "events": events, "all_users": all_users, "secret": new_secret()}
        added = await db.notifications.add_webhook(session, user_id=user, **values)
        await idempotency.remember(session, user, asked, [added.id])
        return added


async def webhook_of(services: Services, user: UUID, webhook_id: UUID) -> Webhook:
    """The user's webhook. Raises NotFound."""
    async with services.db() as session:
        found = await db.notifications.webhook_of(session, user, webhook_id)
    if found is None:
        raise NotFound
    return found


async def change_secret(services: Services, user: UUID, webhook_id: UUID) -> Webhook:
    """A new secret; the old one signs beside it for a day. Raises NotFound."""
    found = await webhook_of(services, user, webhook_id)
    until = datetime.now(UTC) + BOTH_SECRETS
    async with services.db.begin() as session:
        values = {"secret": new_secret(), "old_secret": found.secret, "old_secret_until": until}
        await db.notifications.change_webhook(session, webhook_id, **values)
    return await webhook_of(services, user, webhook_id)


async def send_test(services: Services, user: UUID, webhook_id: UUID) -> Delivery:
    """A message that only says that it is a test. Raises NotFound."""
    await webhook_of(services, user, webhook_id)
    async with services.db.begin() as session:
        return await db.notifications.add_delivery(
            session, webhook_id, {"type": TEST_EVENT, "timestamp": timestamp(), "data": {}}
        )


async def redeliver(services: Services, user: UUID, webhook_id: UUID, delivery_id: UUID) -> Delivery:
    """Send a message once more, under the id that it had. Raises NotFound."""
    async with services.db.begin() as session:
        found = await db.notifications.redeliver(session, user, webhook_id, delivery_id)
    if found is None:
        raise NotFound
    return found


# Devices
async def add_device(services: Services, user: UUID, token: str, platform: str) -> Device:
    """Register a device for push. Raises Conflict when there are too many."""
    async with services.db.begin() as session:
        await db.users.ensure_user(session, user)
        await db.users.lock_user(session, user)
        known = await db.notifications.devices_of(session, user)
        if len(known) >= MAX_DEVICES and token not in {device.token for device in known}:
            raise Conflict(f"{MAX_DEVICES} of your devices are registered already; delete one first.")
        return await db.notifications.add_device(session, user, token, platform)
