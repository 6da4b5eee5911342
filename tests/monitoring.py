"""What alerts and dashboards ask Prometheus for, and the programs that check it."""

import json
import os
import re
import shutil
from typing import Any

import pytest
import yaml
from tritonclient.grpc.aio import InferenceServerClient

from orchestrator.config import ROOT

ALERTS = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARDS = ROOT / "deploy/grafana/dashboards"
# These appear only once something has gone wrong.
NOT_IN_A_GOOD_RUN = {
    "irisvue_jobs_retried_total",
    "irisvue_model_errors_total",
    "irisvue_versions_taken_out_total",
    "irisvue_cleaned_total",
    "irisvue_deliveries_total",
}
ONLY_ON_A_GPU = {
    "nv_gpu_utilization",
    "nv_gpu_memory_used_bytes",
    "nv_gpu_memory_total_bytes",
    "nv_gpu_power_usage",
    "nv_gpu_power_limit",
}


def program(name: str) -> str:
    """The path of a program of Prometheus; without it the test is skipped, and fails in CI."""
    path = shutil.which(name)
    if path is None:
        if "CI" in os.environ:
            pytest.fail(f"CI must have {name}.")
        pytest.skip(f"{name} is not installed (Debian: apt-get install prometheus)")
    return path


def rules() -> list[dict[str, Any]]:
    """Every alert."""
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    """Every query of an alert or a panel."""
    boards = [json.loads(path.read_text()) for path in DASHBOARDS.glob("*.json")]
    panels = [target["expr"] for board in boards for panel in board["panels"] for target in panel["targets"]]
    return [*(rule["expr"] for rule in rules()), *panels]


def metrics_named() -> set[str]:
    """Every metric in these queries."""
    return {name for expr in expressions() for name in re.findall(r"\b((?:irisvue|nv|process)_[a-z0-9_]+)", expr)}


async def batches(client: InferenceServerClient, model: str) -> dict[int, int]:
    """The number of batches of each size that the server has run, by its own statistics."""
    statistics = await client.get_inference_statistics(model, as_json=True)
    stats = statistics["model_stats"][0].get("batch_stats", [])
    return {int(row["batch_size"]): int(row["compute_infer"]["count"]) for row in stats}
