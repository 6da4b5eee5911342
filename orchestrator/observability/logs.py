"""Logs: one JSON line for each event, with ids and sizes but never pixels, tokens or signed links."""

import logging
import sys

import structlog

from orchestrator.observability import tracing


def configure_logging(level: str) -> None:
    """Log JSON lines to stderr, and the libraries' warnings too. Access logs stay off: query strings carry tokens."""
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
        logger_factory=_stderr_logger,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")


def _stderr_logger(*_: object) -> structlog.PrintLogger:
    """A logger to what is stderr at this moment: tests of commands replace it, and close theirs."""
    return structlog.PrintLogger(sys.stderr)


log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
