"""Webhooks and their deliveries."""

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from orchestrator.db.tables import Delivery, DeliveryAttempt, DeliveryStatus, Webhook

EventName = Literal["job.completed", "job.failed", "job.cancelled"]


class WebhookRequest(BaseModel):
    """The address, and the events that it gets."""

    url: str = Field(min_length=1, max_length=2000, examples=["https://app.example.com/hooks/irisvue"])
    events: list[EventName] = Field(default=["job.completed", "job.failed"], min_length=1, max_length=3)
    all_users: bool = Field(default=False, strict=True, description="Jobs of all users; needs the scope webhooks:all.")


class WebhookResponse(BaseModel):
    """A webhook. Its secret is shown only when the webhook is created and when the secret is changed."""

    id: UUID
    url: str
    events: list[str]
    all_users: bool
    disabled_at: datetime | None
    created_at: datetime
    secret: str | None = Field(default=None, description="For checking the signatures (Standard Webhooks).")

    @classmethod
    def of(cls, row: Webhook, *, with_secret: bool = False) -> Self:
        """Build the answer."""
        values = {name: getattr(row, name) for name in cls.model_fields if name != "secret"}
        return cls(**values, secret=row.secret if with_secret else None)


class WebhookList(BaseModel):
    """All of the caller's webhooks, oldest first."""

    webhooks: list[WebhookResponse]


class AttemptResponse(BaseModel):
    """One try to send a message: the answer's HTTP status, or why there was no answer."""

    at: datetime
    answer: int | None
    error: str | None
    ms: int

    @classmethod
    def of(cls, row: DeliveryAttempt) -> Self:
        """Build the answer."""
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class DeliveryResponse(BaseModel):
    """A message, and how sending it went. One that is `dead` was given up and can be sent once more."""

    id: UUID
    message_id: str = Field(description="The receiver's `webhook-id`, the same for every try.")
    event: str
    job_id: UUID | None
    status: DeliveryStatus
    next_at: datetime | None = Field(description="When it is tried next; null once it is sent or dead.")
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
