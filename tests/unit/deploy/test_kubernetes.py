"""deploy/kubernetes without a cluster: it renders, is valid for the schemas, and names only what exists."""

import functools
import os
import re
import shutil
import subprocess
from typing import Any

import kubernetes_validate
import pytest
import typer.main
import yaml

from orchestrator.api.server import GRACE_S
from orchestrator.cli import app
from orchestrator.config import ROOT, Settings
from orchestrator.observability.tracing import LAST_SPANS_S
from tests.monitoring import metrics_named

OVERLAYS = ["base", "gpu"]
OPS = {"base": "ops", "gpu": "ops-gpu"}  # the pod of operators, beside each
SECRETS = {"irisvue-secrets", "triton-control", "triton-bucket"}  # made by whoever installs it; settings.yaml says how
KUBERNETES = "1.32"
CUSTOM = {"keda.sh/v1alpha1"}  # no schema is at hand; their few fields are checked below


@functools.cache
def rendered(overlay: str) -> list[dict[str, Any]]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        if "CI" in os.environ:
            pytest.fail("CI must have kubectl.")
        pytest.skip("kubectl is not installed (Debian: apt-get install kubernetes-client)")
    argv = [kubectl, "kustomize", str(ROOT / "deploy/kubernetes" / overlay)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def of(kind: str, overlay: str = "gpu") -> dict[str, dict[str, Any]]:
    return {item["metadata"]["name"]: item for item in rendered(overlay) if item["kind"] == kind}


def pods(overlay: str = "gpu") -> dict[str, dict[str, Any]]:
    workloads = {**of("Deployment", overlay), **of("Job", overlay)}
    return {name: item["spec"]["template"] for name, item in workloads.items()}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_object_is_valid_for_its_schema(overlay: str) -> None:
    assert len(rendered(overlay)) >= 18
    for item in [*rendered(overlay), *rendered(OPS[overlay])]:
        if item["apiVersion"] not in CUSTOM:
            kubernetes_validate.validate(item, KUBERNETES, strict=True)
        if item["kind"] != "Namespace":
            assert item["metadata"]["namespace"] == "irisvue"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_pods_meet_the_restricted_standard_and_have_probes_and_limits(overlay: str) -> None:
    for name, pod in {**pods(overlay), **of("Pod", OPS[overlay])}.items():
        spec, (container,) = pod["spec"], pod["spec"]["containers"]
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] == 1000
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        for each in (container, *spec.get("initContainers", [])):
            security = each["securityContext"]
            assert security["readOnlyRootFilesystem"] and not security["allowPrivilegeEscalation"]
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert each["resources"]["requests"]["cpu"] and each["resources"]["limits"]["memory"]
            assert re.search(r":\d", each["image"])
        if name not in ("migrate", "ops"):
            assert "livenessProbe" in container and name in of("PodDisruptionBudget")
    assert of("Namespace")["irisvue"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_reference_leads_to_something(overlay: str) -> None:
    everything = {**pods(overlay), **of("Pod", OPS[overlay])}
    for name, pod in everything.items():
        spec = pod["spec"]
        assert spec["serviceAccountName"] in of("ServiceAccount", overlay)
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        claims = {v["persistentVolumeClaim"]["claimName"] for v in volumes.values() if v.get("persistentVolumeClaim")}
        assert claims <= set(of("PersistentVolumeClaim", overlay)), name
        mounted = set()
        for container in (*spec["containers"], *spec.get("initContainers", [])):
            mounted |= {mount["name"] for mount in container.get("volumeMounts", [])}
            sources = [source for each in container.get("envFrom", []) for source in each.items()]
            sources += [s for each in container.get("env", []) for s in each.get("valueFrom", {}).items()]
            for kind, source in sources:
                known = of("ConfigMap", overlay) if kind.startswith("configMap") else SECRETS
                assert source["name"] in known, f"{name}: {source}"
            for probe in (value for key, value in container.items() if key.endswith("Probe")):
                port = (probe.get("grpc") or probe["httpGet"])["port"]
                assert port in {p[key] for p in container["ports"] for key in ("name", "containerPort")}
        assert mounted == set(volumes), name
    labels = [pod["metadata"]["labels"] for pod in everything.values()]
    for item in [*of("Service", overlay).values(), *of("NetworkPolicy", overlay).values()]:
        selector = item["spec"].get("selector") or item["spec"]["podSelector"].get("matchLabels", {})
        assert any(selector.items() <= each.items() for each in labels), item["metadata"]["name"]


def test_whoever_publishes_has_the_key_and_is_let_in() -> None:
    for overlay, ops in OPS.items():
        pod = of("Pod", ops)["ops"]
        assert {"podSelector": {"matchLabels": {"role": pod["metadata"]["labels"]["role"]}}} in (
            of("NetworkPolicy", overlay)["triton"]["spec"]["ingress"][0]["from"]
        )
        (key,) = [env for env in pod["spec"]["containers"][0]["env"] if env["name"] == "IRISVUE_TRITON_CONTROL_KEY"]
        (same,) = [e for e in pods(overlay)["triton"]["spec"]["containers"][0]["env"] if e["name"] == "CONTROL_KEY"]
        assert key["valueFrom"] == same["valueFrom"]
    for name, pod in {"migrate": pods()["migrate"], "ops": of("Pod", "ops-gpu")["ops"]}.items():
        mounts = {mount["name"]: mount["mountPath"] for mount in pod["spec"]["containers"][0]["volumeMounts"]}
        assert mounts["models"] == of("ConfigMap")["irisvue-settings"]["data"]["IRISVUE_MODEL_REPOSITORY"], name


def test_commands_and_settings_exist_in_the_code() -> None:
    command = typer.main.get_command(app)
    for name in ("api", "worker", "migrate"):
        container = pods()[name]["spec"]["containers"][0]
        assert container["args"][0] == name and name in command.commands  # type: ignore[attr-defined]
        assert container["envFrom"][0]["configMapRef"]["name"] == "irisvue-settings"
        assert container["envFrom"][1]["secretRef"]["name"] == "irisvue-secrets"
    given = of("ConfigMap")["irisvue-settings"]["data"]
    fields = {name.removeprefix("IRISVUE_").lower(): value for name, value in given.items()}
    assert set(fields) <= set(Settings.model_fields)
    assert not [name for name in fields if re.search("secret|password|key", name)]
    Settings.model_validate(fields)
    drain, grace = float(given["IRISVUE_DRAIN_S"]), pods()["worker"]["spec"]["terminationGracePeriodSeconds"]
    assert drain + 20 < grace
    api = pods()["api"]["spec"]
    before = api["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert before + GRACE_S + LAST_SPANS_S + 5 < api["terminationGracePeriodSeconds"]
    assert not of("Secret"), "secrets come from outside"


def test_ports_and_addresses_agree() -> None:
    given = of("ConfigMap")["irisvue-settings"]["data"]
    ports = {name: pod["spec"]["containers"][0].get("ports", []) for name, pod in pods().items()}
    numbers = {name: {port["containerPort"] for port in listed} for name, listed in ports.items()}
    assert numbers == {
        "api": {8000},
        "worker": {int(given["IRISVUE_METRICS_PORT"])},
        "triton": {8001, 8002},
        "migrate": set(),
    }
    assert given["IRISVUE_TRITON_URL"] == "dns:///triton.irisvue.svc:8001"
    assert of("Service")["triton"]["spec"]["clusterIP"] == "None", (
        "gRPC balances; a virtual address would hide the servers"
    )
    env = {e["name"]: e.get("value") for e in pods()["triton"]["spec"]["containers"][0]["env"]}
    assert env["MODEL_REPOSITORY"] == given["IRISVUE_MODEL_REPOSITORY"]
    assert (env["PROFILE"], env["FALLBACK"]) == ("gpu", "gpu-onnx")
    assert pods("base")["triton"]["spec"]["containers"][0]["env"][0]["value"] == "cpu"
    for name in ("api", "worker", "triton"):
        scraped = int(pods()[name]["metadata"]["annotations"]["prometheus.io/port"])
        assert scraped in numbers[name]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_triton_starts_when_the_repository_that_it_reads_has_models(overlay: str) -> None:
    given = of("ConfigMap", overlay)["irisvue-settings"]["data"]
    spec = pods(overlay)["triton"]["spec"]
    (waits,), (container,) = spec["initContainers"], spec["containers"]
    env = {e["name"]: e.get("value") for e in container["env"]}
    assert env["MODEL_REPOSITORY"] == given["IRISVUE_MODEL_REPOSITORY"]
    assert (
        waits["args"] == ["models", "wait"]
        and waits["image"] == pods(overlay)["migrate"]["spec"]["containers"][0]["image"]
    )
    assert set(waits["envFrom"][1]) == set(container["envFrom"][0]), "the same keys of the bucket"
    seen = [m["mountPath"] for m in waits.get("volumeMounts", []) if m["name"] == "models"]
    assert seen == ([given["IRISVUE_MODEL_REPOSITORY"]] if overlay == "gpu" else [])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_ports_of_services_and_policies_are_ports_of_their_pods(overlay: str) -> None:
    """And every port that Prometheus is told to read is open to its namespace."""
    listen = {}
    for name, pod in pods(overlay).items():
        ports = [port for container in pod["spec"]["containers"] for port in container.get("ports", [])]
        listen[name] = {port[key] for port in ports for key in ("name", "containerPort")}
    for service in of("Service", overlay).values():
        for port in service["spec"]["ports"]:
            assert port.get("targetPort", port["port"]) in listen[service["spec"]["selector"]["app"]]
    monitoring = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "observability"}}}
    read = set()
    for policy in of("NetworkPolicy", overlay).values():
        app_name = policy["spec"]["podSelector"].get("matchLabels", {}).get("app")
        for rule in policy["spec"].get("ingress", []):
            assert {port["port"] for port in rule["ports"]} <= listen[app_name]
            read |= {(app_name, port["port"]) for port in rule["ports"] if monitoring in rule["from"]}
    annotations = {name: pod["metadata"].get("annotations", {}) for name, pod in pods(overlay).items()}
    assert read == {(n, int(a["prometheus.io/port"])) for n, a in annotations.items() if "prometheus.io/port" in a}


def test_plans_and_models_are_kept_on_volumes() -> None:
    spec = pods()["triton"]["spec"]
    claims = {
        v["name"]: v["persistentVolumeClaim"]["claimName"]
        for v in spec["volumes"]
        if len(v) == 2 and "persistentVolumeClaim" in v
    }
    assert set(claims.values()) == set(of("PersistentVolumeClaim")) == {"models", "plans"}
    places = {mount["name"]: mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
    assert places["models"] == "/models" and places["plans"] == "/plans"
    for claim in of("PersistentVolumeClaim").values():
        assert claim["spec"]["accessModes"] == ["ReadWriteMany"], "every replica and every publisher mounts it"


def test_only_workers_and_publishers_reach_triton() -> None:
    policies = of("NetworkPolicy")
    assert policies["nothing-comes-in"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress"]}
    inward = policies["triton"]["spec"]["ingress"]
    grpc = next(rule for rule in inward if rule["ports"] == [{"port": 8001}])
    assert grpc["from"] == [
        {"podSelector": {"matchLabels": {"app": "worker"}}},
        {"podSelector": {"matchLabels": {"role": "publisher"}}},
    ]


def test_scaling_names_existing_deployments_and_metrics() -> None:
    known = metrics_named()
    for item in of("ScaledObject").values():
        assert item["spec"]["scaleTargetRef"]["name"] in of("Deployment")
        assert 0 < item["spec"]["minReplicaCount"] < item["spec"]["maxReplicaCount"]
        for trigger in item["spec"]["triggers"]:
            assert trigger["type"] == "prometheus" and float(trigger["metadata"]["threshold"]) > 0
            assert {"serverAddress", "query", "threshold"} <= set(trigger["metadata"])
            assert set(re.findall(r"\b(?:irisvue|nv)_[a-z_]+", trigger["metadata"]["query"])) <= known
    assert of("HorizontalPodAutoscaler")["api"]["spec"]["scaleTargetRef"]["name"] == "api"
    for budget in of("PodDisruptionBudget").values():
        assert budget["spec"]["selector"]["matchLabels"]["app"] in of("Deployment")
