"""Every SQL statement. Functions take an open session; whoever opened it commits, once a use case."""

from sqlalchemy.exc import IntegrityError

from orchestrator.db import (
    audit_log,
    backlog,
    idempotency,
    jobs,
    limits,
    notifications,
    photos,
    retention,
    rollout,
    server,
    subject_data,
    users,
)
from orchestrator.db.engine import UNAVAILABLE, Session, Sessions, open_database

__all__ = [
    "UNAVAILABLE",
    "IntegrityError",
    "Session",
    "Sessions",
    "audit_log",
    "backlog",
    "idempotency",
    "jobs",
    "limits",
    "notifications",
    "open_database",
    "photos",
    "retention",
    "rollout",
    "server",
    "subject_data",
    "users",
]
