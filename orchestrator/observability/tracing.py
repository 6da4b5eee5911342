"""Traces: one tree from the HTTP request over the queue to each call of a model (OpenTelemetry, W3C headers)."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from orchestrator import __version__
from orchestrator.config import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI

# Streams last for minutes, health and pages tell nothing new, and links and tickets carry secrets in their queries.
UNTRACED = "/health,/metrics,/objects/,/events$,/ws/,/web/"
LAST_SPANS_S = 3.0  # a collector that does not answer, or whose name is not found, may not hold up the end of a process
_w3c = TraceContextTextMapPropagator()
tracer = trace.get_tracer("irisvue")


@contextmanager
def tracing(settings: Settings, service: str) -> Iterator[None]:
    """Send this process's spans to the collector in the settings, if there is one.

    At the end the last ones are sent, for `LAST_SPANS_S` at most.
    """
    if settings.otlp_endpoint is None:
        yield
        return
    # Imported here: every command imports this module, and few send spans.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create({SERVICE_NAME: f"irisvue-{service}", SERVICE_VERSION: __version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)  # by itself it waits for 30 seconds
    exporter = OTLPSpanExporter(f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        last = threading.Thread(target=provider.shutdown, daemon=True)
        last.start()
        last.join(LAST_SPANS_S)


def trace_requests(app: "FastAPI") -> None:
    """A span for each request; its parent is the caller's, where the caller sent a `traceparent`."""
    from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

    FastAPIInstrumentor.instrument_app(
        app, excluded_urls=UNTRACED, exclude_spans=["receive", "send"], server_request_hook=_remove_query
    )


def _remove_query(current: trace.Span, scope: dict[str, Any]) -> None:
    for name in ("http.url", "http.target", "url.full"):  # anything in a query may be a secret
        current.set_attribute(name, scope["path"])
    current.set_attribute("url.query", "")


def traceparent() -> str | None:
    """The current span as a W3C `traceparent`; None where nothing is traced."""
    return headers().get("traceparent")


def headers() -> dict[str, str]:
    """The W3C headers of the current span."""
    carrier: dict[str, str] = {}
    _w3c.inject(carrier)
    return carrier


@contextmanager
def span(name: str, kind: SpanKind = SpanKind.INTERNAL, **attributes: Any) -> Iterator[None]:
    """A span around a piece of work; of an exception that leaves it, only the name is recorded."""
    with tracer.start_as_current_span(name, kind=kind, attributes=attributes, record_exception=False):
        yield


@contextmanager
def span_after(parent: str | None, name: str, **attributes: Any) -> Iterator[None]:
    """A span whose parent is in another process: `parent` is the value of `traceparent` there."""
    parent_context = _w3c.extract({"traceparent": parent} if parent else {})
    token = context.attach(parent_context)
    try:
        with span(name, SpanKind.CONSUMER, **attributes):
            yield
    finally:
        context.detach(token)


class Steps:
    """The spans of consecutive steps; each ends when the next begins."""

    def __init__(self) -> None:
        self._parent = context.get_current()
        self._open: trace.Span | None = None
        self._name = ""

    def begin(self, name: str) -> None:
        """Open the span of the step `name`, unless it is open; calls made from now on are under it."""
        if name == self._name:
            return
        self.close()
        self._name = name
        self._open = tracer.start_span(f"step {name}", context=self._parent)
        self._token = context.attach(trace.set_span_in_context(self._open, self._parent))

    def close(self) -> None:
        """End the span of the last step."""
        if self._open is not None:
            context.detach(self._token)
            self._open.end()
            self._open = None


def ids(_: object, __: str, event: Any) -> Mapping[str, Any]:
    """Add the ids of the current trace, if there is one, to a log event."""
    current = trace.get_current_span().get_span_context()
    if current.is_valid:
        event |= {"trace_id": f"{current.trace_id:032x}", "span_id": f"{current.span_id:016x}"}
    return event  # type: ignore[no-any-return]
