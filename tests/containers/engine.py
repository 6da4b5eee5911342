"""The container engine and its compose: Docker where it runs, else podman with podman-compose.

Every command is written as for Docker. With podman a small program named `docker` in a folder of its own passes it on,
so that the commands of docs/operators.md run as they stand.
"""

import atexit
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

PROJECT = "irisvuetest"  # not `irisvue`: that may be somebody's installation on this machine
PASSED_ON = """#!/bin/sh
[ "$1" = compose ] || exec podman "$@"
shift
exec podman-compose --in-pod false --profile ops "$@"
"""  # Docker's compose knows the profile by itself where a service is named


@dataclass(frozen=True)
class Engine:
    """How the engine is called."""

    podman: bool
    env: dict[str, str]

    def run(
        self, *words: str, cwd: Path | None = None, data: bytes = b"", limit_s: float = 300
    ) -> subprocess.CompletedProcess[bytes]:
        """`docker WORDS…`, whatever its exit status."""
        return subprocess.run(
            ["docker", *words], cwd=cwd, env=self.env, input=data, capture_output=True, timeout=limit_s, check=False
        )

    def __call__(self, *words: str, cwd: Path | None = None, data: bytes = b"", limit_s: float = 300) -> str:
        """What `docker WORDS…` prints. Raises AssertionError with its words where it fails."""
        done = self.run(*words, cwd=cwd, data=data, limit_s=limit_s)
        assert done.returncode == 0, f"docker {' '.join(words)}: {done.stderr.decode()[-3000:]}"
        return done.stdout.decode()

    def container(self, service: str, number: int = 1) -> str:
        """The name of a service's container."""
        return ("_" if self.podman else "-").join((PROJECT, service, str(number)))

    def inside(self, container: str, program: str, *words: str) -> str:
        """What a Python program prints that runs in the network of a container, whose own image may have no Python."""
        network = f"--network=container:{container}"
        return self("run", "--rm", network, "--entrypoint=python", "irisvue", "-c", program, *words)

    def kill(self, container: str) -> None:
        """SIGKILL to the first process; not `docker kill`, after which no restart policy holds."""
        pid = self("inspect", "-f", "{{.State.Pid}}", container).strip()
        program = f"import os; os.kill({pid}, 9)"
        self("run", "--rm", "--privileged", "--pid=host", "--user=0", "--entrypoint=python", "irisvue", "-c", program)

    def is_healthy(self, container: str) -> bool:
        """Whether its health check says yes. podman without systemd runs none by itself."""
        if self.podman:
            return self.run("healthcheck", "run", container).returncode == 0
        return self("inspect", "-f", "{{.State.Health.Status}}", container).strip() == "healthy"

    def size_bytes(self, image: str) -> int:
        """The size of an image, unpacked."""
        return int(self("image", "inspect", "-f", "{{.Size}}", image))


@cache
def engine() -> Engine:
    """The engine of this machine. Raises LookupError, which says what is missing."""
    env = os.environ | {"COMPOSE_PROJECT_NAME": PROJECT}
    if _works("docker", "info") and _works("docker", "compose", "version"):
        return Engine(podman=False, env=env)
    if shutil.which("podman") is None:
        raise LookupError("neither Docker with compose runs here nor podman")
    if shutil.which("podman-compose") is None:
        raise LookupError("podman-compose is not installed (pip install podman-compose)")
    if not _works("podman", "info"):
        raise LookupError("podman does not run: see `podman info`")
    backend = subprocess.run(["podman", "info", "-f", "{{.Host.NetworkBackend}}"], capture_output=True, check=False)
    if backend.stdout.strip() != b"netavark":
        raise LookupError("podman's containers can't find each other by name: see tests/containers/images/README.md")
    folder = Path(tempfile.mkdtemp(prefix="irisvue-docker-"))
    atexit.register(shutil.rmtree, folder)
    (folder / "docker").write_text(PASSED_ON)
    (folder / "docker").chmod(0o755)
    return Engine(podman=True, env=env | {"PATH": f"{folder}:{env['PATH']}"})


def _works(*argv: str) -> bool:
    return shutil.which(argv[0]) is not None and _status(argv) == 0


def _status(argv: Sequence[str]) -> int:
    return subprocess.run(argv, capture_output=True, check=False).returncode
