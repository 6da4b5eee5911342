"""What has been used, by day."""

from collections.abc import Sequence
from datetime import date
from typing import Self

from pydantic import BaseModel, Field

from orchestrator.db.usage import UsageRow


class UsageDay(BaseModel):
    """One day (UTC). `model_s` is the time of the steps that wait for networks."""

    day: date
    jobs: int = Field(description="That have ended, cancelled ones too.")
    completed: int
    failed: int
    model_s: float
    upload_bytes: int

    @classmethod
    def of(cls, row: UsageRow) -> Self:
        """Build the answer."""
        values = {name: getattr(row, name) for name in cls.model_fields if name != "model_s"}
        return cls(**values, model_s=round(row.model_ms / 1000, 1))


class TenantUsageDay(UsageDay):
    """One day of a tenant; users whose tokens name none are the tenant ""."""

    tenant: str


class UsageList(BaseModel):
    """Days with any use, the newest first."""

    days: list[UsageDay]

    @classmethod
    def of(cls, rows: Sequence[UsageRow]) -> Self:
        """Build the answer."""
        return cls(days=[UsageDay.of(row) for row in rows])


class TenantUsageList(BaseModel):
    """Days with any use, the newest first."""

    days: list[TenantUsageDay]

    @classmethod
    def of(cls, rows: Sequence[UsageRow]) -> Self:
        """Build the answer."""
        return cls(days=[TenantUsageDay.of(row) for row in rows])
