"""Devices that get push notifications."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from orchestrator.db.tables import Device
from orchestrator.services import Services


class DeviceRequest(BaseModel):
    """A device's registration token from Firebase Cloud Messaging."""

    token: str = Field(min_length=1, max_length=4096, pattern=r"^[!-~]+$")
    platform: Literal["android", "ios", "web"]


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
        return cls(**values, push_enabled=services.settings.fcm_credentials is not None)


class DeviceList(BaseModel):
    """All of the caller's devices, oldest first."""

    devices: list[DeviceResponse]
