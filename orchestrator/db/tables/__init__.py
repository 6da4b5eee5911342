"""The tables, by concern. Whoever imports one gets them all: their foreign keys name each other."""

from orchestrator.db.tables.base import Base, values_of
from orchestrator.db.tables.notifications import Delivery, DeliveryAttempt, DeliveryStatus, Device, Webhook
from orchestrator.db.tables.photos import (
    UNFINISHED,
    AuditEntry,
    DailyBytes,
    DailyUsage,
    Export,
    IdempotencyRecord,
    Job,
    Photo,
    Share,
    Upload,
    User,
)
from orchestrator.db.tables.rollout import ModelRoute, ModelVersion, ShadowRun

__all__ = [
    "UNFINISHED",
    "AuditEntry",
    "Base",
    "DailyBytes",
    "DailyUsage",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryStatus",
    "Device",
    "Export",
    "IdempotencyRecord",
    "Job",
    "ModelRoute",
    "ModelVersion",
    "Photo",
    "ShadowRun",
    "Share",
    "Upload",
    "User",
    "Webhook",
    "values_of",
]
