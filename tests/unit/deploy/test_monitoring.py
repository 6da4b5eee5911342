"""Alerts and dashboards: generated from the code, sound, and explained in a run-book."""

import importlib.util
import json
import subprocess
from pathlib import Path
from types import ModuleType

from prometheus_client import REGISTRY

import orchestrator.observability.metrics  # noqa: F401  registers its metrics
from orchestrator.config import ROOT
from tests.monitoring import ALERTS, DASHBOARDS, NOT_IN_A_GOOD_RUN, program, rules

RUNBOOKS = ROOT / "docs/runbooks.md"


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dashboards", ROOT / "deploy/grafana/generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_dashboards_ask_for_the_prometheus_of_the_grafana_that_shows_them() -> None:
    for path in DASHBOARDS.glob("*.json"):
        board = json.loads(path.read_text())
        [source] = board["templating"]["list"]
        assert (source["type"], source["query"]) == ("datasource", "prometheus")
        named = {panel["datasource"]["uid"] for panel in board["panels"]}
        named |= {target["datasource"]["uid"] for panel in board["panels"] for target in panel["targets"]}
        assert named == {f"${{{source['name']}}}"}


def test_dashboards_are_those_of_the_generator() -> None:
    for name, text in generator().files().items():
        assert (DASHBOARDS / name).read_text() == text, "run: python deploy/grafana/generate.py"


def test_every_alert_has_its_run_book() -> None:
    chapters = {line[3:].strip().lower() for line in RUNBOOKS.read_text().splitlines() if line.startswith("## ")}
    assert {rule["alert"].lower() for rule in rules()} == chapters
    for rule in rules():
        assert rule["annotations"]["runbook_url"] == f"runbooks.md#{rule['alert'].lower()}"
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_rules_pass_promtool_and_fire_when_they_should() -> None:
    for arguments in (["check", "rules", ALERTS], ["test", "rules", Path(__file__).with_name("alerts.yml")]):
        argv = [program("promtool"), *map(str, arguments)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_metrics_that_a_good_run_never_shows_exist_in_the_code() -> None:
    families = {f"{m.name}_total" if m.type == "counter" else m.name for m in REGISTRY.collect()}
    assert NOT_IN_A_GOOD_RUN <= families
