"""Devices that get push notifications."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from orchestrator.db.tables import Device
from orchestrator.services import Services


class BrowserKeys(BaseModel):
    """The keys of a browser's push subscription, for which its messages are encrypted."""

    p256dh: str = Field(max_length=128)
    auth: str = Field(max_length=64)


class DeviceRequest(BaseModel):
    """A device's registration token from Firebase Cloud Messaging, or a browser's push subscription."""

    token: str = Field(
        min_length=1, max_length=4096, pattern=r"^[!-~]+$", description="Of Firebase; or the subscription's endpoint."
    )
    platform: Literal["android", "ios", "web"]
    keys: BrowserKeys | None = Field(default=None, description="Of the subscription; null for a token of Firebase.")


class DeviceResponse(BaseModel):
    """A device. Its token is not shown again."""

    id: UUID
    platform: str
    language: str | None = Field(default=None, description="Of its notifications; null is English.")
    created_at: datetime
    seen_at: datetime
    push_enabled: bool = Field(description="Whether this service is set up to send push notifications.")

    @classmethod
    def of(cls, services: Services, row: Device) -> Self:
        """Build the answer."""
        values = {name: getattr(row, name) for name in ("id", "platform", "language", "created_at", "seen_at")}
        settings = services.settings
        enabled = bool(settings.vapid_key.get_secret_value()) if row.push_keys else settings.fcm_credentials is not None
        return cls(**values, push_enabled=enabled)


class BrowserKeyResponse(BaseModel):
    """The key with which a page subscribes to this service's pushes."""

    public_key: str | None = Field(
        description="The `applicationServerKey` of `pushManager.subscribe()`; null where no web pushes are sent."
    )


class DeviceList(BaseModel):
    """All of the caller's devices, oldest first."""

    devices: list[DeviceResponse]
