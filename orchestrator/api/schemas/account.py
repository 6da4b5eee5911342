"""A user's account."""

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from orchestrator.db.tables import Export, User
from orchestrator.services import Services


class ConsentRequest(BaseModel):
    """To which version of the terms."""

    version: str = Field(min_length=1, max_length=100, pattern=r"^[!-~]+$", examples=["2026-11"])


class AccountRequest(BaseModel):
    """`consent` gives it, null withdraws it."""

    consent: ConsentRequest | None


class ConsentResponse(BaseModel):
    """A consent: to which version, and when."""

    version: str
    given_at: datetime


class AccountResponse(BaseModel):
    """Who the caller is. Where `consent_required` names a version, photos are accepted only with consent to it."""

    id: UUID
    created_at: datetime
    consent: ConsentResponse | None
    consent_required: str | None

    @classmethod
    def of(cls, services: Services, row: User) -> Self:
        """Build the answer."""
        consent = None
        if row.consent_version and row.consent_at:
            consent = ConsentResponse(version=row.consent_version, given_at=row.consent_at)
        wanted = services.settings.consent_version or None
        return cls(id=row.id, created_at=row.created_at, consent=consent, consent_required=wanted)


class DeletionResponse(BaseModel):
    """What is left after a deletion, counted: rows by table, objects by kind."""

    rows: dict[str, int]
    objects: dict[str, int]
    nothing_left: bool


class ExportResponse(BaseModel):
    """An export. Its address is signed and good for minutes; the export itself is kept for a day."""

    id: UUID
    status: Literal["pending", "completed", "failed"]
    created_at: datetime
    size_bytes: int | None = None
    url: str | None = None

    @classmethod
    async def of(cls, services: Services, row: Export) -> Self:
        """Build the answer, with a fresh link."""
        url = await services.storage.link(row.object_key) if row.status == "completed" else None
        values = {name: getattr(row, name) for name in ("id", "status", "created_at", "size_bytes")}
        return cls(**values, url=url)
