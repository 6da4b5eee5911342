"""Every SQL statement. Functions take an open session; the caller commits it, once a use case."""

from sqlalchemy.exc import DBAPIError, IntegrityError

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
    submission,
    users,
)
from orchestrator.db.engine import UNAVAILABLE, Session, Sessions, autocommit, open_database, refuses_nothing
from orchestrator.db.reasons import no_answer, reason

__all__ = [
    "UNAVAILABLE",
    "DBAPIError",
    "IntegrityError",
    "Session",
    "Sessions",
    "audit_log",
    "autocommit",
    "backlog",
    "idempotency",
    "jobs",
    "limits",
    "no_answer",
    "notifications",
    "open_database",
    "photos",
    "reason",
    "refuses_nothing",
    "retention",
    "rollout",
    "server",
    "subject_data",
    "submission",
    "users",
]
