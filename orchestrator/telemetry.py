"""Logs (one JSON line an event; ids and sizes only, never pixels, tokens or signed links) and metrics."""

import logging
import sys

import structlog
from prometheus_client import Counter, Gauge, Histogram

JOBS_ENDED = Counter("irisvue_jobs_ended_total", "Jobs that reached an end.", ["status", "error_type"])
JOBS_RETRIED = Counter("irisvue_jobs_retried_total", "Jobs handed back for another attempt.", ["error_type"])
STEP_SECONDS = Histogram(
    "irisvue_step_seconds", "Time per step.", ["step"], buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
)
SWEPT = Counter("irisvue_jobs_swept_total", "Jobs that a sweep put in line again.")
CLEANED = Counter("irisvue_cleaned_total", "What the cleanup has deleted.", ["kind"])
TAKEN_OUT = Counter("irisvue_versions_taken_out_total", "Versions that the guard took out of their route.", ["model"])
DELIVERIES = Counter("irisvue_deliveries_total", "Tries to send a notice.", ["kind", "outcome"])
STREAMS_OPEN = Gauge("irisvue_streams_open", "Progress streams that are open in this process.")


def configure_logging(level: str) -> None:
    """JSON lines on stderr, also for the libraries' own loggers; access logs stay off (query strings carry tokens)."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")


log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
