"""All rows about one user, in every table. Tables are found by their columns, so that a new one is not forgotten."""

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


# Tables without a user_id, whose rows belong to a user through a job, a webhook or a device.
INDIRECT: dict[str, Callable[[UUID], ColumnElement[bool]]] = {
    "deliveries": _deliveries,
    "delivery_attempts": lambda user: DeliveryAttempt.delivery_id.in_(select(Delivery.id).where(_deliveries(user))),
    "shadow_runs": lambda user: ShadowRun.job_id.in_(select(Job.id).where(Job.user_id == user)),
    "users": lambda user: User.id == user,
}
NOT_PERSONAL = {"model_versions", "model_routes", "alembic_version"}  # who published and routed is about the models
SECRETS = {"secret", "old_secret", "push_keys"}


def _where(table: Table, user: UUID) -> ColumnElement[bool]:
    if table.name in INDIRECT:
        return INDIRECT[table.name](user)
    owned: ColumnElement[bool] = table.c.user_id == user
    return owned


def personal_tables() -> list[Table]:
    """The tables with rows about users; a table that others refer to comes after them."""
    return [table for table in reversed(Base.metadata.sorted_tables) if table.name not in NOT_PERSONAL]


async def rows_of(session: AsyncSession, user: UUID) -> dict[str, list[dict[str, Any]]]:
    """Every row about the user, by table, without signing secrets."""
    by_table = {}
    for table in personal_tables():
        rows = (await session.execute(select(table).where(_where(table, user)))).mappings()
        by_table[table.name] = [{k: v for k, v in row.items() if k not in SECRETS} for row in rows]
    return by_table


async def count_of(session: AsyncSession, user: UUID) -> dict[str, int]:
    """The number of rows about the user, by table."""
    counts = {}
    for table in personal_tables():
        query = select(func.count()).select_from(table).where(_where(table, user))
        counts[table.name] = await session.scalar(query) or 0
    return counts


async def photo_ids_of(session: AsyncSession, user: UUID) -> list[UUID]:
    """The ids of the user's photos."""
    return list(await session.scalars(select(Photo.id).where(Photo.user_id == user)))


async def erase_rows(session: AsyncSession, user: UUID) -> None:
    """Delete every row about the user."""
    for table in personal_tables():
        await session.execute(delete(table).where(_where(table, user)))
