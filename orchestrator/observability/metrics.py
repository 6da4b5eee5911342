"""Prometheus metrics."""

from prometheus_client import Counter, Gauge, Histogram, start_http_server

JOBS_ENDED = Counter("irisvue_jobs_ended_total", "Jobs that reached an end.", ["status", "error_type"])
JOBS_RETRIED = Counter("irisvue_jobs_retried_total", "Jobs handed back for another attempt.", ["error_type"])
STEP_SECONDS = Histogram(
    "irisvue_step_seconds", "Time per step.", ["step"], buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
)
SWEPT = Counter("irisvue_jobs_swept_total", "Jobs that a sweep put into the queue again.")
CLEANED = Counter("irisvue_cleaned_total", "Rows and objects that the cleanup has deleted.", ["kind"])
TAKEN_OUT = Counter("irisvue_versions_taken_out_total", "Versions that the guard took out of their route.", ["model"])
DELIVERIES = Counter("irisvue_deliveries_total", "Tries to send a notification.", ["kind", "outcome"])
WAIT_SECONDS = Histogram(
    "irisvue_wait_seconds",
    "From a job's submission to its first attempt.",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 15, 30, 60, 300, 900, 3600),
)
QUALITY = Histogram(
    "irisvue_quality_score", "Quality scores of finished photos.", buckets=[n / 10 for n in range(1, 11)]
)
MODEL_SECONDS = Histogram(
    "irisvue_model_seconds",
    "One call of a model, including its wait in the queue.",
    ["model", "version"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
MODEL_ERRORS = Counter("irisvue_model_errors_total", "Calls of a model that failed.", ["model", "code"])
CALLS_IN_FLIGHT = Gauge(
    "irisvue_model_calls_in_flight", "Calls of a model that have not been answered yet (tiles: realesrgan).", ["model"]
)
DELIVERY_SECONDS = Histogram(
    "irisvue_event_seconds",
    "From the writing of an event until this process hands it to its watchers.",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5),
)
QUEUE_JOBS = Gauge("irisvue_queue_jobs", "Unfinished jobs in the database.", ["status"])
QUEUE_OLDEST = Gauge("irisvue_queue_oldest_seconds", "How long the oldest pending job has waited; 0 if there is none.")
NOTIFICATIONS_DUE = Gauge("irisvue_notices_due", "Notifications that are due and have not been sent yet.")
STREAMS_OPEN = Gauge("irisvue_streams_open", "Progress streams that are open in this process.")


def serve_metrics(host: str, port: int) -> None:
    """Answer Prometheus on a port of its own, in a thread (for workers, which have no HTTP server)."""
    start_http_server(port, addr=host)
