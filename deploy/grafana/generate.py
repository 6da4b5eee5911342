"""Writes the Grafana dashboards: `python deploy/grafana/generate.py`.

Tests compare the files with this code and run the queries on a live Prometheus.
"""

import json
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "dashboards"
SOURCE = {"type": "prometheus", "uid": "${source}"}
# A Grafana that has these dashboards from elsewhere than its provisioning calls its Prometheus something else: it asks.
SOURCES = {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1}
Panel = tuple[str, str, list[tuple[str, str]]]  # title, unit, (expression, legend) …


def rate(metric: str, by: str = "", window: str = "$__rate_interval") -> str:
    """The summed rate of a counter."""
    return f"sum {f'by ({by}) ' if by else ''}(rate({metric}[{window}]))"


def quantiles(metric: str, by: str = "") -> list[tuple[str, str]]:
    """The median and the 99th percentile of a histogram."""
    labels = ", ".join(filter(None, ["le", by]))
    name = f"{{{{{by}}}}} " if by else ""
    body = f"sum by ({labels}) (rate({metric}_bucket[$__rate_interval]))"
    return [(f"histogram_quantile({q}, {body})", f"{name}p{int(q * 100)}") for q in (0.5, 0.99)]


def mean(total: str, count: str, by: str) -> str:
    """The mean value: the rate of a sum divided by the rate of its count."""
    return f"{rate(total, by)} / ({rate(count, by)} > 0)"


ORCHESTRATOR: list[Panel] = [
    ("Jobs ended", "ops", [(rate("irisvue_jobs_ended_total", "status, error_type"), "{{status}} {{error_type}}")]),
    ("Unfinished jobs", "short", [("max by (status) (irisvue_queue_jobs)", "{{status}}")]),
    ("Longest wait", "s", [("max(irisvue_queue_oldest_seconds)", "oldest")]),
    ("Wait before the first attempt", "s", quantiles("irisvue_wait_seconds")),
    ("Time per step (p99)", "s", quantiles("irisvue_step_seconds", "step")[1:]),
    ("Progress streams", "short", [("sum(irisvue_streams_open)", "open")]),
    ("Event written → handed to watchers", "s", quantiles("irisvue_event_seconds")),
    (
        "Retries and lost work",
        "ops",
        [
            (rate("irisvue_jobs_retried_total", "error_type"), "retried {{error_type}}"),
            (rate("irisvue_jobs_swept_total"), "swept"),
        ],
    ),
    (
        "Notifications",
        "ops",
        [
            (rate("irisvue_deliveries_total", "kind, outcome"), "{{kind}} {{outcome}}"),
            ("max(irisvue_notices_due)", "overdue (count)"),
        ],
    ),
    ("Cleaned up", "ops", [(rate("irisvue_cleaned_total", "kind"), "{{kind}}")]),
    ("Memory of our processes", "bytes", [('process_resident_memory_bytes{job=~"irisvue.*"}', "{{job}} {{instance}}")]),
    ("CPU of our processes", "short", [(rate("process_cpu_seconds_total", "job, instance"), "{{job}} {{instance}}")]),
]
MODELS: list[Panel] = [
    ("Calls by version", "ops", [(rate("irisvue_model_seconds_count", "model, version"), "{{model}} {{version}}")]),
    (
        "Time by version (p99)",
        "s",
        [(quantiles("irisvue_model_seconds", "model, version")[1][0], "{{model}} {{version}}")],
    ),
    (
        "Mean time by version",
        "s",
        [(mean("irisvue_model_seconds_sum", "irisvue_model_seconds_count", "model, version"), "{{model}} {{version}}")],
    ),
    ("Calls in flight (tiles: realesrgan)", "short", [("sum by (model) (irisvue_model_calls_in_flight)", "{{model}}")]),
    ("Failed calls", "ops", [(rate("irisvue_model_errors_total", "model, code"), "{{model}} {{code}}")]),
    ("Quality score", "short", quantiles("irisvue_quality_score")),
    ("Photos refused", "ops", [(rate('irisvue_jobs_ended_total{error_type="quality_issue"}'), "refused")]),
    ("Versions taken out by the guard", "short", [("sum by (model) (irisvue_versions_taken_out_total)", "{{model}}")]),
]
TRITON: list[Panel] = [
    ("Requests", "ops", [(rate("nv_inference_request_success", "model, version"), "{{model}} {{version}}")]),
    (
        "Failed requests",
        "ops",
        [(rate("nv_inference_request_failure", "model, version"), "{{model}} {{version}}")],
    ),
    ("Pictures per batch", "short", [(mean("nv_inference_count", "nv_inference_exec_count", "model"), "{{model}}")]),
    (
        "Time in the queue, per request",
        "µs",
        [(mean("nv_inference_queue_duration_us", "nv_inference_request_success", "model"), "{{model}}")],
    ),
    (
        "Compute time, per request",
        "µs",
        [(mean("nv_inference_compute_infer_duration_us", "nv_inference_request_success", "model"), "{{model}}")],
    ),
    ("Requests in the queue", "short", [("sum by (model) (nv_inference_pending_request_count)", "{{model}}")]),
    ("Time per call, with waiting", "s", quantiles("irisvue_model_seconds", "model")),
    ("CPU", "percentunit", [("nv_cpu_utilization", "{{instance}}")]),
    ("Memory of the machine", "bytes", [("nv_cpu_memory_used_bytes", "{{instance}}")]),
    ("GPU", "percentunit", [("nv_gpu_utilization", "{{instance}} {{gpu_uuid}}")]),
    (
        "Memory of the GPU",
        "bytes",
        [
            ("nv_gpu_memory_used_bytes", "{{instance}} {{gpu_uuid}}"),
            ("nv_gpu_memory_total_bytes", "{{instance}} {{gpu_uuid}}, all there is"),
        ],
    ),
    (
        "Power of the GPU",
        "watt",
        [
            ("nv_gpu_power_usage", "{{instance}} {{gpu_uuid}}"),
            ("nv_gpu_power_limit", "{{instance}} {{gpu_uuid}}, limit"),
        ],
    ),
]
DASHBOARDS = {"orchestrator": ORCHESTRATOR, "models": MODELS, "triton": TRITON}


def dashboard(name: str, panels: list[Panel]) -> dict[str, Any]:
    """One dashboard with three panels in a row."""
    return {
        "uid": f"irisvue-{name}",
        "title": f"Irisvue: {name}",
        "templating": {"list": [SOURCES]},
        "tags": ["irisvue"],
        "timezone": "browser",
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "schemaVersion": 41,
        "panels": [_panel(at, *panel) for at, panel in enumerate(panels)],
    }


def _panel(at: int, title: str, unit: str, queries: list[tuple[str, str]]) -> dict[str, Any]:
    targets = [
        {"refId": chr(65 + n), "datasource": SOURCE, "expr": expr, "legendFormat": legend}
        for n, (expr, legend) in enumerate(queries)
    ]
    return {
        "id": at + 1,
        "type": "timeseries",
        "title": title,
        "datasource": SOURCE,
        "gridPos": {"x": at % 3 * 8, "y": at // 3 * 8, "w": 8, "h": 8},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": targets,
    }


def files() -> dict[str, str]:
    """The text of every dashboard, by file name."""
    dashboards = {f"{name}.json": dashboard(name, panels) for name, panels in DASHBOARDS.items()}
    return {name: json.dumps(body, indent=1, ensure_ascii=False) + "\n" for name, body in dashboards.items()}


if __name__ == "__main__":
    for name, text in files().items():
        (HERE / name).write_text(text)
