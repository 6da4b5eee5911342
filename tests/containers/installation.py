"""An installation as `docker-compose.yml` makes it, in a folder with an `.env` of its own."""

import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from orchestrator.config import ROOT
from tests.containers.engine import PROJECT, Engine

NO_STAND_IN = {"collector", "jaeger", "grafana"}
# Secrets as a person may choose them: `$` and `#` in single quotes, and the line ends of Windows.
SECRETS = {
    "POSTGRES_PASSWORD": "'p$ss #w/rd%'",
    "REDIS_PASSWORD": "'r$d#s:@1'",
    "S3_ACCESS_KEY": "access",
    "S3_SECRET_KEY": "'s$cret#key'",
    "JWT_SECRET": "'$JWT_SECRET#of-at-least-thirty-two-characters'",
    "GRAFANA_PASSWORD": "grafana",
    "TRITON_CONTROL_KEY": "'c$ntrol#key'",
    "VAPID_KEY": "5e" * 32,
}
WAIT_S = 150
COLOURS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True)
class Installation:
    """A folder with `docker-compose.yml` and `.env`, and the engine that runs it."""

    engine: Engine
    folder: Path

    def compose(self, *words: str, data: bytes = b"", limit_s: float = 300) -> str:
        """What `docker compose WORDS…` prints. Raises AssertionError where it fails."""
        return self.engine("compose", *words, cwd=self.folder, data=data, limit_s=limit_s)

    def services(self) -> list[str]:
        """Those that are started here, in the order of the file."""
        listed = yaml.safe_load((self.folder / "docker-compose.yml").read_text())["services"]
        names = [name for name, service in listed.items() if not service.get("profiles")]
        return [name for name in names if not (self.engine.podman and name in NO_STAND_IN)]

    def up(self) -> None:
        """`docker compose up -d`, until everything is healthy.

        podman-compose neither waits nor, without systemd, has health checks run, so with podman the order is kept here.
        """
        if not self.engine.podman:
            self.compose("up", "-d")
            self.wait_for(name for name in self.services() if name not in ("bucket", "migrate", "collector", "jaeger"))
            return
        self._start("postgres", "redis", "s3")
        self.wait_for(["postgres", "redis", "s3"])
        self._start("bucket", "migrate")
        for name in ("bucket", "migrate"):
            status = self.engine("wait", self.engine.container(name)).strip()
            assert status == "0", f"{name}: {self.logs(name)}"
        self._start("triton", "api", "worker", "prometheus")
        self.wait_for(["triton", "api", "worker", "prometheus"])

    def _start(self, *names: str) -> None:
        self.compose("up", "-d", "--no-deps", "--no-recreate", *names)

    def wait_for(self, names: Iterable[str]) -> None:
        """Until these services are healthy. Raises AssertionError with a service's last words."""
        for name in names:
            until(
                lambda name=name: self.engine.is_healthy(self.engine.container(name)),
                f"{name} is not healthy",
                self,
                name,
            )

    def logs(self, service: str) -> str:
        """Everything that a service has written."""
        done = self.engine.run("logs", self.engine.container(service))
        return done.stdout.decode() + done.stderr.decode()

    def down(self, keep_volumes: bool = False) -> None:
        """Remove containers, networks and volumes; podman-compose leaves volumes without a name behind."""
        containers = self.engine("ps", "-aq", "--filter", f"label=com.docker.compose.project={PROJECT}").split()
        volumes = "{{range .Mounts}}{{.Name}} {{end}}"
        used = self.engine("inspect", "-f", volumes, *containers).split() if containers else []
        options = [] if keep_volumes else ["-v"]
        self.engine.run("compose", "down", *options, "--remove-orphans", cwd=self.folder)
        if nameless := [name for name in used if re.fullmatch("[0-9a-f]{64}", name)]:
            self.engine.run("volume", "rm", *nameless)

    def token(self) -> str:
        """A token for a person who may also route models."""
        return self.compose("exec", "-T", "api", "irisvue", "token", "--scope", "models:write").split()[-1]

    def follow(self, page_block: str, **env: str) -> str:
        """Run the commands of docs/operators.md that are marked with this name, in the installation's folder."""
        page = (ROOT / "docs/operators.md").read_text()
        found = re.search(rf"<!-- run by test_containers.py: {page_block} -->\n```sh\n(.*?)```", page, re.S)
        assert found, page_block
        argv = ["bash", "-euo", "pipefail", "-c", found[1]]
        full = self.engine.env | env
        done = subprocess.run(argv, cwd=self.folder, env=full, capture_output=True, text=True, check=False, timeout=400)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return COLOURS.sub("", done.stdout)


def until(look, words: str, installation: Installation, service: str) -> None:  # type: ignore[no-untyped-def]
    """Until `look` says yes, or AssertionError with the last words of a service."""
    end = time.monotonic() + WAIT_S
    while not look():
        assert time.monotonic() < end, f"{words}: {installation.logs(service)[-3000:]}"
        time.sleep(0.5)


def write_env(folder: Path, secrets: dict[str, str]) -> None:
    """The project's `.env.example` filled in, with the line ends of Windows."""
    lines = (folder / ".env.example").read_text().splitlines()
    filled = [f"{line}{secrets.get(line.removesuffix('='), '')}" if line.endswith("=") else line for line in lines]
    (folder / ".env").write_bytes("\r\n".join([*filled, ""]).encode())


def checkout(folder: Path, commit: str = "") -> Path:
    """The project's files in a folder: of a commit, or as they lie in the working tree."""
    folder.mkdir(parents=True)
    if commit:
        packed = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", str(folder)], input=packed, check=True)
        return folder
    argv = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(argv, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    return folder
