"""Who is told when jobs end, and how far that got."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    UniqueConstraint,
    func,
)
from sqlalchemy.orm import Mapped, mapped_column

from orchestrator.db.tables.base import Base


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"  # to be sent, at `next_at`
    SENT = "sent"  # the receiver has accepted it
    DEAD = "dead"  # given up; it can be redelivered


class Webhook(Base):
    """An address that gets a message when jobs end: its user's, or with `all_users` those of every user."""

    __tablename__ = "webhooks"
    __table_args__ = (
        Index(None, "user_id"),
        Index("ix_webhooks_all_users", "all_users", postgresql_where="all_users"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    url: Mapped[str]
    events: Mapped[list[str]]
    all_users: Mapped[bool] = mapped_column(default=False)
    secret: Mapped[str]
    old_secret: Mapped[str | None]  # signs too until `old_secret_until`, so that the receiver can change over
    old_secret_until: Mapped[datetime | None]
    disabled_at: Mapped[datetime | None]  # it has answered 410 Gone
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Device(Base):
    """A phone or browser that gets push notifications; its token belongs to the user who registered it last."""

    __tablename__ = "devices"
    __table_args__ = (Index(None, "user_id"),)
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    token: Mapped[str] = mapped_column(unique=True)  # of Firebase, or the address of a browser's push service
    push_keys: Mapped[dict[str, str] | None]  # p256dh and auth of a browser, for which messages are encrypted
    platform: Mapped[str]
    language: Mapped[str | None]  # of its notifications; None is English
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Delivery(Base):
    """One notification for one webhook or one device, written in the transaction that ends the job."""

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("job_id", "webhook_id"),
        UniqueConstraint("job_id", "device_id"),
        Index("ix_deliveries_due", "next_at", postgresql_where="status = 'pending'"),
        Index(None, "webhook_id", "created_at"),
        Index(None, "device_id"),
        CheckConstraint("(webhook_id IS NULL) <> (device_id IS NULL)", name="one_receiver"),
        CheckConstraint(f"status IN ({', '.join(repr(s.value) for s in DeliveryStatus)})", name="status"),
    )
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    webhook_id: Mapped[UUID | None] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    device_id: Mapped[UUID | None] = mapped_column(ForeignKey("devices.id", ondelete="CASCADE"))
    job_id: Mapped[UUID | None] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"))
    body: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(default=DeliveryStatus.PENDING.value, server_default="pending")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    next_at: Mapped[datetime] = mapped_column(server_default=func.now())
    created_at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())


class DeliveryAttempt(Base):
    """One try to send a delivery: the answer's HTTP status, or why there was no answer."""

    __tablename__ = "delivery_attempts"
    __table_args__ = (Index(None, "delivery_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    delivery_id: Mapped[UUID] = mapped_column(ForeignKey("deliveries.id", ondelete="CASCADE"))
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    answer: Mapped[int | None]
    error: Mapped[str | None]
    ms: Mapped[int]
