"""Notices of how jobs end: rows, written in the very transaction that ends the job, so that no crash loses one."""

import base64
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator import limits, store
from orchestrator.addresses import check_url
from orchestrator.errors import Conflict, NotFound
from orchestrator.limits import Once
from orchestrator.services import Services
from orchestrator.tables import Delivery, Device, Job, Webhook

EVENTS = ("job.completed", "job.failed", "job.cancelled")
TEST = "webhook.test"
MAX_WEBHOOKS, MAX_DEVICES = 10, 20
SECRET_BYTES = 32
BOTH_SECRETS = timedelta(hours=24)


async def record(db: AsyncSession, job: Job) -> None:
    """Write down, beside the change that ended the job, who is to be told."""
    body = body_of(job)
    await store.add_deliveries(db, job.user_id, job.id, body["type"], body)


def body_of(job: Job) -> dict[str, Any]:
    """What a webhook is sent. No signed links: they would have expired where the message comes late."""
    facts: dict[str, Any] = {"job_id": job.id, "photo_id": job.photo_id, "user_id": job.user_id, "status": job.status}
    if job.status == "completed":
        names = "processing_time_ms", "result_width", "result_height", "quality_score", "quality_warnings"
        facts |= {name: getattr(job, name) for name in names}
    elif job.status == "failed":
        facts |= {"error_type": job.error_type, "message": job.error_message, "suggestion": job.suggestion}
    data = {name: str(value) if isinstance(value, UUID) else value for name, value in facts.items()}
    return {"type": f"job.{job.status}", "timestamp": _now(), "data": data}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_secret() -> str:
    """A signing secret as Standard Webhooks writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


# Webhooks
async def add_webhook(
    services: Services, user: UUID, url: str, events: list[str], *, all_users: bool, asked: Once | None = None
) -> Webhook:
    """A new webhook.

    Raises:
        Invalid: an address that may not be called. Conflict: too many; or see `limits.made_before`.
    """
    check_url(url, services.settings.webhook_private_addresses)
    async with services.db.begin() as db:
        await store.ensure_user(db, user)
        if (made := await limits.made_before(db, user, asked)) is not None:
            before = await store.webhook_of(db, user, made[0])
            if before is None:
                raise NotFound("What this Idempotency-Key made has been deleted.")
            return before
        await store.lock_user(db, user)
        if len(await store.webhooks_of(db, user)) >= MAX_WEBHOOKS:
            raise Conflict(f"You have {MAX_WEBHOOKS} webhooks already; delete one first.")
        values = {"url": url, "events": events, "all_users": all_users, "secret": new_secret()}
        added = await store.add_webhook(db, user_id=user, **values)
        await limits.remember(db, user, asked, [added.id])
        return added


async def webhook_of(services: Services, user: UUID, webhook_id: UUID) -> Webhook:
    """The user's webhook. Raises NotFound."""
    async with services.db() as db:
        found = await store.webhook_of(db, user, webhook_id)
    if found is None:
        raise NotFound
    return found


async def change_secret(services: Services, user: UUID, webhook_id: UUID) -> Webhook:
    """A new secret; the old one signs beside it for a day. Raises NotFound."""
    found = await webhook_of(services, user, webhook_id)
    until = datetime.now(UTC) + BOTH_SECRETS
    async with services.db.begin() as db:
        values = {"secret": new_secret(), "old_secret": found.secret, "old_secret_until": until}
        await store.change_webhook(db, webhook_id, **values)
    return await webhook_of(services, user, webhook_id)


async def send_test(services: Services, user: UUID, webhook_id: UUID) -> Delivery:
    """A message that only says that it is a test. Raises NotFound."""
    await webhook_of(services, user, webhook_id)
    async with services.db.begin() as db:
        return await store.add_delivery(db, webhook_id, {"type": TEST, "timestamp": _now(), "data": {}})


async def redeliver(services: Services, user: UUID, webhook_id: UUID, delivery_id: UUID) -> Delivery:
    """Send a message once more, under the id that it had. Raises NotFound."""
    async with services.db.begin() as db:
        found = await store.redeliver(db, user, webhook_id, delivery_id)
    if found is None:
        raise NotFound
    return found


# Devices
async def add_device(services: Services, user: UUID, token: str, platform: str) -> Device:
    """Register a device for push. Raises Conflict when there are too many."""
    async with services.db.begin() as db:
        await store.ensure_user(db, user)
        await store.lock_user(db, user)
        known = await store.devices_of(db, user)
        if len(known) >= MAX_DEVICES and token not in {device.token for device in known}:
            raise Conflict(f"{MAX_DEVICES} of your devices are registered already; delete one first.")
        return await store.add_device(db, user, token, platform)
