"""Every SQL statement. Functions take an open session; the caller commits it, once a use case."""

from sqlalchemy.exc import DBAPIError, IntegrityError

from orchestrator.db import (
    accounts,
    audit_log,
    backlog,
    idempotency,
    jobs,
    limits,
    line,
    notifications,
    photos,
    retention,
    rollout,
    server,
    shares,
    subject_data,
    submission,
    usage,
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
    "accounts",
    "audit_log",
    "autocommit",
    "backlog",
    "idempotency",
    "jobs",
    "limits",
    "line",
    "no_answer",
    "notifications",
    "open_database",
    "photos",
    "reason",
    "refuses_nothing",
    "retention",
    "rollout",
    "server",
    "shares",
    "subject_data",
    "submission",
    "usage",
    "users",
]
