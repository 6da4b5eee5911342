"""Shares of results."""

from datetime import datetime
from typing import Self
from uuid import UUID

from pydantic import BaseModel, Field

from orchestrator.config import Settings
from orchestrator.db.tables import Share
from orchestrator.services import Services

DAY_S = 24 * 3600


def share_url(settings: Settings, token: str) -> str:
    """Where a share is opened."""
    return f"{settings.public_url.rstrip('/')}/s/{token}"


class ShareRequest(BaseModel):
    """For how long; a week where nothing is said."""

    expires_in_s: int = Field(default=7 * DAY_S, ge=1, le=366 * DAY_S)


class ShareResponse(BaseModel):
    """A link that anyone may open until `expires_at`."""

    id: UUID
    job_id: UUID
    url: str
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, services: Services, row: Share) -> Self:
        """Build the answer."""
        values = {name: getattr(row, name) for name in ("id", "job_id", "created_at", "expires_at")}
        return cls(**values, url=share_url(services.settings, row.token))


class ShareList(BaseModel):
    """The shares of a job that can be opened, oldest first."""

    shares: list[ShareResponse]
