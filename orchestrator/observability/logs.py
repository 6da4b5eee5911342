"""Logs: one JSON line for each event, with ids and sizes but never pixels, tokens or signed links."""

import logging
import sys
from types import TracebackType

import structlog

from orchestrator.observability import tracing

FIELDS: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    tracing.ids,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def configure_logging(level: str) -> None:
    """Log JSON lines to stderr: our events from `level` on, warnings of libraries, and errors that nobody catches.

    Access logs stay off: query strings carry tokens.
    """
    structlog.configure(
        processors=[*FIELDS, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=_stderr_logger,
    )
    handler = _StderrHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *FIELDS],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.captureWarnings(True)
    if not sys.stderr.isatty():
        sys.excepthook = _log_uncaught


class _StderrHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to what is stderr at this moment: tests of commands replace it, and close theirs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        self.stream = sys.stderr
        super().emit(record)


def _stderr_logger(*_: object) -> structlog.PrintLogger:
    """As `_StderrHandler`, for our own events."""
    return structlog.PrintLogger(sys.stderr)


def _log_uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        log.critical("uncaught", exc_info=(kind, error, traceback))


log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
