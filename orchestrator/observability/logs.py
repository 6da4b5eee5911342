"""Logs: one JSON line an event; ids and sizes only, never pixels, tokens or signed links."""

import logging
import sys

import structlog

from orchestrator.observability import tracing


def configure_logging(level: str) -> None:
    """JSON lines on stderr, also for the libraries' own loggers; access logs stay off (query strings carry tokens)."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            tracing.ids,
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
