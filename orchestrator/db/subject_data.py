"""All rows about one person, whatever the table: found by the columns, so a new table is not forgotten."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Table, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from orchestrator.db.tables import Base, Delivery, DeliveryAttempt, Device, Job, Photo, ShadowRun, User, Webhook


def _deliveries(user: UUID) -> ColumnElement[bool]:
    return or_(
        Delivery.job_id.in_(select(Job.id).where(Job.user_id == user)),
        Delivery.webhook_id.in_(select(Webhook.id).where(Webhook.user_id == user)),
        Delivery.device_id.in_(select(Device.id).where(Device.user_id == user)),
    )


# Tables without a user_id whose rows belong to a job, a webhook or a device of somebody.
BELONGS: dict[str, Callable[[UUID], ColumnElement[bool]]] = {
    "deliveries": _deliveries,
    "delivery_attempts": lambda user: DeliveryAttempt.delivery_id.in_(select(Delivery.id).where(_deliveries(user))),
    "shadow_runs": lambda user: ShadowRun.job_id.in_(select(Job.id).where(Job.user_id == user)),
    "users": lambda user: User.id == user,
}
NOBODYS = {"model_versions", "model_routes", "alembic_version"}  # who published and routed is kept: it is about models
SECRETS = {"secret", "old_secret"}


def _where(table: Table, user: UUID) -> ColumnElement[bool]:
    if table.name in BELONGS:
        return BELONGS[table.name](user)
    found: ColumnElement[bool] = table.c.user_id == user
    return found


def tables() -> list[Table]:
    """The tables that hold something of a person, those that others refer to last."""
    return [table for table in reversed(Base.metadata.sorted_tables) if table.name not in NOBODYS]


async def rows_of(session: AsyncSession, user: UUID) -> dict[str, list[dict[str, Any]]]:
    """Every row about the user, by table; signing secrets left out."""
    found = {}
    for table in tables():
        rows = (await session.execute(select(table).where(_where(table, user)))).mappings()
        found[table.name] = [{k: v for k, v in row.items() if k not in SECRETS} for row in rows]
    return found


async def count_of(session: AsyncSession, user: UUID) -> dict[str, int]:
    """How many rows there are about the user, by table."""
    counts = {}
    for table in tables():
        query = select(func.count()).select_from(table).where(_where(table, user))
        counts[table.name] = await session.scalar(query) or 0
    return counts


async def photo_ids_of(session: AsyncSession, user: UUID) -> list[UUID]:
    """The user's photos."""
    return list(await session.scalars(select(Photo.id).where(Photo.user_id == user)))


async def erase_rows(session: AsyncSession, user: UUID) -> None:
    """Delete every row about the user."""
    for table in tables():
        await session.execute(delete(table).where(_where(table, user)))
