"""Prometheus itself scrapes the live stack: all that panels and alerts name is there, and every rule is sound."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
import yaml

from orchestrator.config import ROOT
from orchestrator.embedded.ports import HOST, free_port
from orchestrator.embedded.stack import Stack
from tests.waiting import submitted, until

ALERTS = ROOT / "deploy/prometheus/alerts.yml"
RUNBOOKS = ROOT / "docs/runbooks.md"
# Only there once something has gone wrong.
NOT_IN_A_GOOD_RUN = {
    "irisvue_jobs_retried_total",
    "irisvue_model_errors_total",
    "irisvue_versions_taken_out_total",
    "irisvue_cleaned_total",
    "irisvue_deliveries_total",
}


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        if "CI" in os.environ:
            pytest.fail(f"CI must have {name}.")
        pytest.skip(f"no {name} here (Debian: apt-get install prometheus)")
    return found


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dashboards", ROOT / "deploy/grafana/generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def expressions() -> list[str]:
    rules = [rule["expr"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    boards = [json.loads(path.read_text()) for path in (ROOT / "deploy/grafana/dashboards").glob("*.json")]
    panels = [target["expr"] for board in boards for panel in board["panels"] for target in panel["targets"]]
    return [*rules, *panels]


def metrics_named() -> set[str]:
    return {name for expr in expressions() for name in re.findall(r"\b((?:irisvue|nv|process)_[a-z0-9_]+)", expr)}


def test_dashboards_are_those_of_the_code() -> None:
    for name, text in generator().files().items():
        assert (ROOT / "deploy/grafana/dashboards" / name).read_text() == text, "python deploy/grafana/generate.py"


def test_every_alert_has_its_run_book() -> None:
    chapters = {line[3:].strip().lower() for line in RUNBOOKS.read_text().splitlines() if line.startswith("## ")}
    rules = [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
    assert {rule["alert"].lower() for rule in rules} == chapters
    for rule in rules:
        assert rule["annotations"]["runbook_url"] == f"runbooks.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_rules_pass_promtool_and_fire_when_they_should() -> None:
    for arguments in (["check", "rules", ALERTS], ["test", "rules", ROOT / "tests/alerts.yml"]):
        done = subprocess.run([tool("promtool"), *map(str, arguments)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def prometheus(stack: Stack, tmp_path: Path) -> Iterator[str]:
    """The address of a Prometheus that scrapes the stack every second with the shipped rules."""
    jobs: dict[str, list[str]] = {}
    for name, address in stack.metrics().items():
        job = "triton" if name == "triton" else f"irisvue-{name.partition('-')[0]}"
        jobs.setdefault(job, []).append(address)
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [{"job_name": job, "static_configs": [{"targets": t}]} for job, t in jobs.items()],
    }
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    address = f"{HOST}:{free_port()}"
    argv = [tool("prometheus"), f"--config.file={tmp_path / 'prometheus.yml'}", f"--web.listen-address={address}"]
    argv += [f"--storage.tsdb.path={tmp_path / 'data'}", "--log.level=warn"]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(argv, stderr=log)
    try:
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
async def ask(prometheus: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{prometheus}/api/v1", timeout=10, trust_env=False) as client:
        yield client


async def test_every_metric_that_a_panel_or_alert_names_is_there(
    api: httpx.AsyncClient, ask: httpx.AsyncClient, stack: Stack, eye_jpeg: bytes
) -> None:
    job_id = await submitted(api, eye_jpeg)
    stream = await api.get(f"/api/v1/processing/jobs/{job_id}/events")
    assert "event: completed" in stream.text

    async def targets_up() -> bool:
        try:
            found = (await ask.get("/query", params={"query": "up == 1"})).json()["data"]["result"]
        except httpx.TransportError:
            return False
        return len(found) == len(stack.metrics()) == 3

    await until(targets_up, 30)

    async def known() -> set[str] | None:
        names = set((await ask.get("/label/__name__/values")).json()["data"])
        wanted = metrics_named() - NOT_IN_A_GOOD_RUN
        return names if wanted <= names else None

    try:
        names = await until(known, 15)
    except AssertionError:
        there = set((await ask.get("/label/__name__/values")).json()["data"])
        raise AssertionError(f"missing: {metrics_named() - NOT_IN_A_GOOD_RUN - there}") from None
    assert {"irisvue_model_seconds_bucket", "nv_inference_count"} <= names
    for expr in expressions():
        query = expr.replace("$__rate_interval", "1m")
        answer = await ask.get("/query", params={"query": query})
        assert answer.status_code == 200, f"{query}: {answer.text}"

    async def value(query: str) -> float:
        found: list[Any] = (await ask.get("/query", params={"query": query})).json()["data"]["result"]
        return float(found[0]["value"][1]) if found else 0.0

    assert await value('sum(irisvue_jobs_ended_total{status="completed"})') >= 1
    assert await value('sum(irisvue_model_seconds_count{model="realesrgan",version="1"})') >= 1
    assert await value("sum(irisvue_quality_score_count)") >= 1
    assert await value("sum(irisvue_event_seconds_count)") >= 3
    firing = (await ask.get("/alerts")).json()["data"]["alerts"]
    assert not [a for a in firing if a["state"] == "firing"], firing
    rules = (await ask.get("/rules")).json()["data"]["groups"][0]["rules"]
    assert len(rules) >= 12 and all(rule["health"] == "ok" for rule in rules)


def test_what_only_shows_when_something_goes_wrong_exists_in_the_code() -> None:
    from prometheus_client import REGISTRY

    import orchestrator.observability.metrics  # noqa: F401

    families = {f"{m.name}_total" if m.type == "counter" else m.name for m in REGISTRY.collect()}
    assert NOT_IN_A_GOOD_RUN <= families
