"""Webhooks, devices, and the deliveries of notifications to them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, cast, delete, func, insert, literal, null, or_, select, union_all, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.tables import Delivery, DeliveryAttempt, DeliveryStatus, Device, Webhook

LOG_DAYS = 30


async def add_deliveries(session: AsyncSession, user: UUID, job_id: UUID, event: str, body: dict[str, Any]) -> None:
    """Add one delivery for each webhook that wants the event, and for each of the user's devices; none twice."""
    common = cast(literal(job_id), Uuid), literal(body, JSONB), func.gen_random_uuid()
    hooks = select(*common, Webhook.id, cast(null(), Uuid)).where(
        or_(Webhook.user_id == user, Webhook.all_users),
        Webhook.disabled_at.is_(None),
        Webhook.events.contains([event]),
    )
    phones = select(*common, cast(null(), Uuid), Device.id).where(
        Device.user_id == user, literal(event) != "job.cancelled"
    )
    columns = ["job_id", "body", "id", "webhook_id", "device_id"]
    rows = upsert(Delivery).from_select(columns, union_all(hooks, phones), include_defaults=False)
    await session.execute(rows.on_conflict_do_nothing())


@dataclass(frozen=True)
class DueDelivery:
    """A delivery that this process has taken to send, and its receiver."""

    delivery: Delivery
    webhook: Webhook | None
    device: Device | None


async def take_due_deliveries(session: AsyncSession, limit: int, lease_s: float) -> list[DueDelivery]:
    """Take deliveries that are due. If this process dies, others take them after `lease_s`."""
    due = Delivery.status == DeliveryStatus.PENDING, Delivery.next_at <= func.now()
    ids = select(Delivery.id).where(*due).order_by(Delivery.next_at).limit(limit).with_for_update(skip_locked=True)
    taken = (
        update(Delivery)
        .where(Delivery.id.in_(ids.scalar_subquery()))
        .values(attempts=Delivery.attempts + 1, next_at=func.now() + timedelta(seconds=lease_s))
        .returning(Delivery)
    )
    rows = (await session.scalars(taken)).all()
    hooks = await session.scalars(select(Webhook).where(Webhook.id.in_({r.webhook_id for r in rows if r.webhook_id})))
    phones = await session.scalars(select(Device).where(Device.id.in_({r.device_id for r in rows if r.device_id})))
    by_id: dict[UUID | None, Any] = {row.id: row for row in [*hooks, *phones]}
    return [DueDelivery(row, by_id.get(row.webhook_id), by_id.get(row.device_id)) for row in rows]


async def record_attempt(
    session: AsyncSession, delivery: Delivery, status: DeliveryStatus, pause_s: float, **columns: Any
) -> None:
    """Record how an attempt went (answer, error, ms) and the next one's time, unless a later attempt has begun."""
    same_attempt = Delivery.id == delivery.id, Delivery.attempts == delivery.attempts
    statement = (
        update(Delivery)
        .where(*same_attempt, Delivery.status == DeliveryStatus.PENDING)
        .values(status=status, next_at=func.now() + timedelta(seconds=pause_s))
        .returning(Delivery.id)
    )
    if (await session.execute(statement)).scalar_one_or_none() is not None:
        await session.execute(insert(DeliveryAttempt).values(delivery_id=delivery.id, **columns))


async def redeliver(session: AsyncSession, user: UUID, webhook_id: UUID, delivery_id: UUID) -> Delivery | None:
    """Make a delivery due now, with all its attempts ahead of it again; None if the user has no such delivery."""
    webhook = select(Webhook.id).where(Webhook.user_id == user, Webhook.id == webhook_id).scalar_subquery()
    statement = (
        update(Delivery)
        .where(Delivery.id == delivery_id, Delivery.webhook_id == webhook)
        .values(status=DeliveryStatus.PENDING, next_at=func.now(), attempts=0)
        .returning(Delivery)
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def add_delivery(session: AsyncSession, webhook_id: UUID, body: dict[str, Any]) -> Delivery:
    """Add one delivery to one webhook, about no job."""
    values = {"webhook_id": webhook_id, "body": body}
    delivery: Delivery = (await session.execute(insert(Delivery).values(**values).returning(Delivery))).scalar_one()
    return delivery


async def deliveries_of(
    session: AsyncSession, webhook_id: UUID, status: DeliveryStatus | None, limit: int, offset: int
) -> tuple[list[tuple[Delivery, list[DeliveryAttempt]]], int]:
    """One page of a webhook's deliveries, newest first, each with its attempts, and how many there are."""
    await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})  # rows and their attempts agree
    where = [Delivery.webhook_id == webhook_id, *([Delivery.status == status] if status else [])]
    total = await session.scalar(select(func.count()).select_from(Delivery).where(*where))
    page = select(Delivery).where(*where).order_by(Delivery.created_at.desc(), Delivery.id).limit(limit).offset(offset)
    rows = (await session.scalars(page)).all()
    query = select(DeliveryAttempt).where(DeliveryAttempt.delivery_id.in_([r.id for r in rows]))
    attempts = (await session.scalars(query.order_by(DeliveryAttempt.id))).all()
    return [(row, [a for a in attempts if a.delivery_id == row.id]) for row in rows], total or 0


async def delete_old_deliveries(session: AsyncSession) -> None:
    """Delete deliveries that were sent or given up, with their attempts, after LOG_DAYS."""
    ended = Delivery.status != DeliveryStatus.PENDING
    await session.execute(delete(Delivery).where(ended, Delivery.created_at < func.now() - timedelta(days=LOG_DAYS)))


async def add_webhook(session: AsyncSession, **values: Any) -> Webhook:
    """Add a webhook."""
    webhook: Webhook = (await session.execute(insert(Webhook).values(**values).returning(Webhook))).scalar_one()
    return webhook


async def webhooks_of(session: AsyncSession, user: UUID) -> Sequence[Webhook]:
    """The user's webhooks, oldest first."""
    return (await session.scalars(select(Webhook).where(Webhook.user_id == user).order_by(Webhook.created_at))).all()


async def webhook_of(session: AsyncSession, user: UUID, webhook_id: UUID) -> Webhook | None:
    """The user's webhook; None if it belongs to another user."""
    query = select(Webhook).where(Webhook.user_id == user, Webhook.id == webhook_id)
    return (await session.execute(query)).scalar_one_or_none()


async def change_webhook(session: AsyncSession, webhook_id: UUID, **values: Any) -> None:
    """Change a webhook."""
    await session.execute(update(Webhook).where(Webhook.id == webhook_id).values(**values))


async def disable_webhook(session: AsyncSession, webhook_id: UUID) -> None:
    """Send no more messages to a webhook."""
    await session.execute(update(Webhook).where(Webhook.id == webhook_id).values(disabled_at=func.now()))


async def delete_webhook(session: AsyncSession, user: UUID, webhook_id: UUID) -> bool:
    """Delete the user's webhook with its deliveries; False if the user has no such webhook."""
    deleted = delete(Webhook).where(Webhook.user_id == user, Webhook.id == webhook_id).returning(Webhook.id)
    return (await session.execute(deleted)).scalar_one_or_none() is not None


async def add_device(session: AsyncSession, user: UUID, token: str, **values: Any) -> Device:
    """Register a device, or move it to this user."""
    added = upsert(Device).values(token=token, user_id=user, **values)
    changes = {"user_id": user, "seen_at": func.now(), **values}
    moved = added.on_conflict_do_update(index_elements=[Device.token], set_=changes)
    device: Device = (await session.execute(moved.returning(Device))).scalar_one()
    return device


async def devices_of(session: AsyncSession, user: UUID) -> Sequence[Device]:
    """The user's devices, oldest first."""
    return (await session.scalars(select(Device).where(Device.user_id == user).order_by(Device.created_at))).all()


async def delete_device(session: AsyncSession, user: UUID, device_id: UUID) -> bool:
    """Delete the user's device; False if the user has no such device."""
    deleted = delete(Device).where(Device.user_id == user, Device.id == device_id).returning(Device.id)
    return (await session.execute(deleted)).scalar_one_or_none() is not None
