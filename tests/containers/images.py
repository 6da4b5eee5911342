"""The images of the project and, with podman, stand-ins for those that `docker-compose.yml` takes from registries.

images/README.md says what stands in for what. Only Debian's mirror and the package index of this machine are needed.
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from orchestrator.config import ROOT
from tests.containers.engine import Engine

HERE = Path(__file__).parent / "images"
BASE = "local/debian:12"
STAND_INS = {
    "python": "docker.io/library/python:3.12-slim-bookworm",
    "postgres": "docker.io/library/postgres:18-alpine",
    "redis": "docker.io/library/redis:8-alpine",
    "seaweedfs": "docker.io/chrislusf/seaweedfs:3.97",
    "prometheus": "docker.io/prom/prometheus:v3.5.0",
    "tritonserver": "nvcr.io/nvidia/tritonserver:26.07-py3",
}
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
INSIDE = "/opt/host-certificates.crt"  # over /etc/ssl/certs Debian's packages could not be installed


def build_stand_ins(engine: Engine, checkout: Path = ROOT) -> None:
    """Build what stands in for the registries' images; from the cache within seconds.

    With Docker there is nothing to build. `checkout`: whose ONNX Runtime backend Triton's stand-in has.
    """
    if not engine.podman:
        return
    if engine.run("image", "inspect", BASE).returncode:
        _debian(engine)
    locked = re.findall(r"^(?:nvidia-pytriton|onnxruntime)==[0-9.]+", (ROOT / "requirements.lock").read_text(), re.M)
    for name, tag in STAND_INS.items():
        if name == "tritonserver":
            packages = f"--build-arg=PACKAGES={' '.join(sorted(set(locked)))}"
            _build(engine, tag, HERE / name / "Containerfile", checkout, packages)
        else:
            _build(engine, tag, HERE / name / "Containerfile", HERE / name)


def build_project(engine: Engine, folder: Path) -> None:
    """Build the project's own images from a checkout, under the names that its compose file has."""
    text = (folder / "docker-compose.yml").read_text()
    for tag in sorted(set(re.findall(r"^ +image: (irisvue[\w-]*)$", text, re.M))):
        dockerfile, target = _recipe(text, tag)
        _build(engine, tag, folder / dockerfile, folder, *([f"--target={target}"] if target else []))


def _recipe(compose: str, tag: str) -> tuple[str, str]:
    """The file and, where there is one, the target that an image is built from."""
    found = re.search(rf"image: {tag}\n +build: {{ context: \., dockerfile: ([\w.]+)(?:, target: (\w+))? }}", compose)
    assert found, tag
    return found[1], found[2] or ""


def _build(engine: Engine, tag: str, dockerfile: Path, context: Path, *options: str) -> None:
    words = ["build", "-q", "-t", tag, "-f", str(dockerfile), *options]
    with tempfile.TemporaryDirectory() as folder:
        engine(*words, *_mounts(engine, Path(folder)), str(context), limit_s=600)


def _mounts(engine: Engine, folder: Path) -> list[str]:
    """What lets a build of podman use this machine's network, certificates and package index."""
    if not engine.podman:
        return []
    (folder / "pip.conf").write_text(f"[global]\ncert = {INSIDE}\n")
    mounts = {CERTIFICATES: INSIDE, folder / "pip.conf": "/etc/pip.conf"}
    return ["--network=host", *[f"--volume={path}:{inside}:ro" for path, inside in mounts.items()]]


def _debian(engine: Engine) -> None:
    """The base of all stand-ins, from the mirror that this machine's own packages come from."""
    program = shutil.which("debootstrap", path="/usr/sbin:/usr/bin")
    assert program, "debootstrap makes the base of the stand-ins: apt-get install debootstrap"
    sources = Path("/etc/apt/sources.list.d/debian.sources")
    mirror = re.search(r"^URIs: (\S+/debian)$", sources.read_text() if sources.exists() else "", re.M)
    with tempfile.TemporaryDirectory() as folder:
        argv = [program, "--variant=minbase", "bookworm", f"{folder}/base", *([mirror[1]] if mirror else [])]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        subprocess.run(["tar", "-C", f"{folder}/base", "-cf", f"{folder}/base.tar", "."], check=True)
        engine("import", "-q", f"{folder}/base.tar", BASE)
