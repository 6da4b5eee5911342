"""Who gets notifications when jobs end: webhooks and devices."""

import base64
import secrets
from datetime import UTC, datetime, timedelta
from uuid import UUID

from orchestrator import db, idempotency
from orchestrator.db.tables import Delivery, Device, Webhook
from orchestrator.errors import Conflict, NotFound
from orchestrator.idempotency import IdempotencyKey
from orchestrator.notifications.public_addresses import check_url
from orchestrator.notifications.vapid import check_browser_keys
from orchestrator.progress.events import timestamp
from orchestrator.services import Services

TEST_EVENT = "webhook.test"
MAX_WEBHOOKS, MAX_DEVICES = 10, 20
SECRET_BYTES = 32
BOTH_SECRETS = timedelta(hours=24)  # for how long an old secret signs too


def new_secret() -> str:
    """A signing secret in the form of Standard Webhooks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


# Webhooks
async def add_webhook(
    services: Services, user: UUID, url: str, events: list[str], *, all_users: bool, key: IdempotencyKey | None = None
) -> Webhook:
    """Add a webhook.

    Raises:
        Invalid: this address may not be called. Conflict: too many webhooks; or see `idempotency.earlier_result`.
    """
    check_url(url, services.settings.webhook_private_addresses)
    async with services.db.begin() as session:
        await db.users.ensure_user(session, user)
        if (ids := await idempotency.earlier_result(session, user, key)) is not None:
            earlier = await db.notifications.webhook_of(session, user, ids[0])
            if earlier is None:
                raise NotFound(idempotency.RESULT_DELETED)
            return earlier
        await db.users.lock_user(session, user)
        if len(await db.notifications.webhooks_of(session, user)) >= MAX_WEBHOOKS:
            raise Conflict(f"You have {MAX_WEBHOOKS} webhooks already; delete one first.")
        values = {"url": url, "events": events, "all_users": all_users, "secret": new_secret()}
        webhook = await db.notifications.add_webhook(session, user_id=user, **values)
        await idempotency.remember(session, user, key, [webhook.id])
        return webhook


async def webhook_of(services: Services, user: UUID, webhook_id: UUID) -> Webhook:
    """The user's webhook. Raises NotFound."""
    async with services.db() as session:
        webhook = await db.notifications.webhook_of(session, user, webhook_id)
    if webhook is None:
        raise NotFound
    return webhook


async def change_secret(services: Services, user: UUID, webhook_id: UUID) -> Webhook:
    """Give a webhook a new secret; for a day the old one signs beside it. Raises NotFound."""
    webhook = await webhook_of(services, user, webhook_id)
    until = datetime.now(UTC) + BOTH_SECRETS
    async with services.db.begin() as session:
        values = {"secret": new_secret(), "old_secret": webhook.secret, "old_secret_until": until}
        await db.notifications.change_webhook(session, webhook_id, **values)
    return await webhook_of(services, user, webhook_id)


async def send_test(services: Services, user: UUID, webhook_id: UUID) -> Delivery:
    """Send a message that is only a test. Raises NotFound."""
    await webhook_of(services, user, webhook_id)
    async with services.db.begin() as session:
        return await db.notifications.add_delivery(
            session, webhook_id, {"type": TEST_EVENT, "timestamp": timestamp(), "data": {}}
        )


async def redeliver(services: Services, user: UUID, webhook_id: UUID, delivery_id: UUID) -> Delivery:
    """Send a message once more, under the same id. Raises NotFound."""
    async with services.db.begin() as session:
        delivery = await db.notifications.redeliver(session, user, webhook_id, delivery_id)
    if delivery is None:
        raise NotFound
    return delivery


# Devices
async def add_device(
    services: Services, user: UUID, token: str, platform: str, language: str, keys: dict[str, str] | None = None
) -> Device:
    """Register a device for push; with `keys` it is a browser, whose token is its push service's address.

    Raises:
        Conflict: too many devices. Invalid: the address may not be called, or the keys are broken.
    """
    if keys is not None:
        check_url(token, services.settings.webhook_private_addresses)
        check_browser_keys(keys)
    async with services.db.begin() as session:
        await db.users.ensure_user(session, user)
        await db.users.lock_user(session, user)
        devices = await db.notifications.devices_of(session, user)
        if len(devices) >= MAX_DEVICES and token not in {device.token for device in devices}:
            raise Conflict(f"{MAX_DEVICES} of your devices are registered already; delete one first.")
        values = {"platform": platform, "language": language, "push_keys": keys}
        return await db.notifications.add_device(session, user, token, **values)
