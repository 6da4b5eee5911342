"""The packages that users install: what is in them, and that their quick starts run as they stand."""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from uuid import uuid4

import pytest

from orchestrator.auth.tokens import make_token
from orchestrator.config import ROOT
from orchestrator.embedded.stack import Stack
from tests.clients.test_typescript import FOLDER as TYPESCRIPT
from tests.clients.test_typescript import missing, npm, run

MODULES = ["client", "errors", "index", "job", "react", "react-query", "requests", "schema", "sse", "upload", "watch"]
TYPES_USED = """
import { Irisvue, type ProgressMessage } from "irisvue-client";
import { useJob, useJobProgress } from "irisvue-client/react";
import { jobQuery } from "irisvue-client/react-query";

const client = new Irisvue({ baseUrl: "http://127.0.0.1:8000", token: "" });
export const uploaded: Promise<string> = client.uploadPhoto(new Uint8Array(1)).then((photo) => photo.id);
export const address = (): string | undefined => {
  const { job } = useJob(client, "1");
  if (job?.status === "failed") return job.error_message.trim();
  return job?.status === "completed" ? job.result_url.toUpperCase() : undefined;
};
export const cached = jobQuery(client, "1").queryKey;
export const message = (): ProgressMessage | null => useJobProgress(client, null).message;
// @ts-expect-error: what has no types would take this
export const wrong: Promise<number> = client.getJob("").then((job) => job.status);
"""


@pytest.fixture(scope="module")
def npm_tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed")
    built = npm("build")  # also skips where there is no npm
    assert built.returncode == 0, built.stdout + built.stderr
    packed = run(["npm", "pack", "--pack-destination", str(folder)], TYPESCRIPT)
    assert packed.returncode == 0, packed.stderr
    [tarball] = folder.iterdir()
    return tarball


@pytest.fixture(scope="module")
def npm_project(npm_tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An npm project that has the client and nothing else."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    line = re.search(r"^npm install (\S+)$", (TYPESCRIPT / "README.md").read_text(), re.M)
    assert line and Path(line[1]).name == npm_tarball.name and line[0] in (ROOT / "docs/apps.md").read_text()
    installed = run(["npm", "install", "--offline", "--no-audit", "--no-fund", str(npm_tarball)], folder)
    assert installed.returncode == 0, installed.stderr
    assert [path.name for path in (folder / "node_modules").glob("[!.]*")] == ["irisvue-client"]
    return folder


def test_the_npm_tarball_has_what_users_need_and_no_more(npm_tarball: Path) -> None:
    with tarfile.open(npm_tarball) as tar:
        files = {name.removeprefix("package/"): tar.extractfile(name) for name in tar.getnames()}
        text = {name: file.read().decode() for name, file in files.items() if file}
    built = {f"dist/{module}{ending}" for module in MODULES for ending in (".js", ".d.ts")}
    assert text.keys() == built | {"package.json", "README.md", "LICENSE"}
    assert text["LICENSE"] == (ROOT / "LICENSE").read_text()
    manifest = json.loads(text["package.json"])
    assert npm_tarball.name == f"irisvue-client-{manifest['version']}.tgz"
    assert "dependencies" not in manifest and manifest["peerDependenciesMeta"] == {"react": {"optional": True}}
    entries = [manifest, *manifest["exports"].values()]
    named = {path for entry in entries for path in (entry["types"], entry.get("default") or entry["main"])}
    assert {path.removeprefix("./") for path in named} <= text.keys()


def test_an_app_that_links_to_the_folder_finds_no_second_react() -> None:
    installed = json.loads((TYPESCRIPT / "package-lock.json").read_text())["packages"]
    assert not [path for path in installed if path.removeprefix("node_modules/") in ("react", "react-dom")]


@pytest.mark.parametrize(("module", "resolution"), [("NodeNext", "NodeNext"), ("ESNext", "Bundler")])
def test_the_npm_package_has_types(npm_project: Path, module: str, resolution: str) -> None:
    (npm_project / "use.ts").write_text(TYPES_USED)
    argv = [str(TYPESCRIPT / "node_modules/.bin/tsc"), "--strict", "--noEmit", "--target", "ES2022"]
    checked = run([*argv, "--module", module, "--moduleResolution", resolution, "use.ts"], npm_project)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.timeout(180)
def test_the_quick_start_of_the_npm_package_runs(npm_project: Path, stack: Stack, eye_jpeg: bytes) -> None:
    readme = (npm_project / "node_modules/irisvue-client/README.md").read_text()
    first = re.search(r"`(\w+\.mjs)`.*?```js\n(.*?)```", readme, re.S)
    assert first
    (npm_project / first[1]).write_text(first[2])
    (npm_project / "eye.jpg").write_bytes(eye_jpeg)
    token = make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])
    assert f"\nnode {first[1]}\n" in readme
    done = run(["node", first[1]], npm_project, IRISVUE_URL=stack.url, IRISVUE_TOKEN=token)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-2:] == ["100 Complete!", "iris.jpg is written"]
    assert (npm_project / "iris.jpg").read_bytes().startswith(b"\xff\xd8")


SOURCES = [
    "Makefile",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "orchestrator",
    "export",
    "irisvue",
    "model_repository",
]
CLIENT_ALONE = {"irisvue", "httpx", "httpx-sse", "rich"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make build` makes of the sources, without a warning; from a copy: setuptools leaves files behind."""
    folder = tmp_path_factory.mktemp("sources")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(ROOT / name, folder / name)
    compiled = folder / "orchestrator/embedded/backends/__pycache__"
    compiled.mkdir()
    (compiled / "batches.cpython-311.pyc").write_bytes(b"of another Python")
    argv = ["make", "--no-print-directory", f"BIN={Path(sys.executable).parent}", "-o", ".venv/installed-dev", "wheel"]
    built = run(argv, folder)
    [path] = (folder / "dist").iterdir()
    assert (built.returncode, built.stdout, built.stderr) == (0, f"dist/{path.name}\n", "")
    return path


def test_a_wheel_that_can_not_be_built_says_why(tmp_path: Path) -> None:
    shutil.copy2(ROOT / "Makefile", tmp_path / "Makefile")
    (tmp_path / "pyproject.toml").write_text("no TOML")
    argv = ["make", "--no-print-directory", f"BIN={Path(sys.executable).parent}", "-o", ".venv/installed-dev", "wheel"]
    done = run(argv, tmp_path)
    assert done.returncode != 0 and "pyproject.toml" in done.stdout


@pytest.fixture(scope="module")
def client_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with `pip install irisvue` in it and nothing else, in the versions that are locked."""
    folder = tmp_path_factory.mktemp("environment")
    assert run([sys.executable, "-m", "venv", str(folder)], folder).returncode == 0
    versions = re.findall(r"^([a-z0-9.-]+==[^ ]+)(?: ;.*)? ", (ROOT / "requirements.lock").read_text(), re.M)
    (folder / "constraints.txt").write_text("\n".join(line for line in versions if "numpy" not in line))
    pip = [str(folder / "bin/python"), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    line = re.search(r"^pip install (\S+)$", (ROOT / "irisvue/README.md").read_text(), re.M)
    assert line and Path(line[1]).name == wheel.name and line[0] in (ROOT / "docs/apps.md").read_text()
    installed = run([*pip, "-c", "constraints.txt", str(wheel)], folder)
    if installed.returncode and "No matching distribution" in installed.stderr and "CI" not in os.environ:
        missing("the packages of the Python client can't be fetched here")
    assert installed.returncode == 0, installed.stderr
    return folder


def test_the_wheel_has_what_a_server_needs_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = run(["git", "ls-files", "orchestrator", "irisvue", "model_repository"], ROOT).stdout.split()
    assert not [name for name in tracked if name not in names]
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "docs/")) or "__pycache__" in name]


@pytest.mark.timeout(180)
def test_pip_install_irisvue_is_the_client_alone(client_environment: Path, wheel: Path) -> None:
    listed = run([str(client_environment / "bin/python"), "-m", "pip", "list", "--format=json"], client_environment)
    names = {package["name"] for package in json.loads(listed.stdout)}
    assert CLIENT_ALONE <= names and len(names) < 20 and not names & {"fastapi", "numpy", "sqlalchemy", "typer"}
    command = run([str(client_environment / "bin/irisvue"), "up"], client_environment)
    assert command.returncode == 1 and f"pip install 'path/to/{wheel.name}[embedded]'" in command.stderr
    assert "Traceback" not in command.stderr


@pytest.mark.timeout(180)
def test_the_quick_start_of_the_python_client_runs(
    client_environment: Path, stack: Stack, eye_jpeg: bytes, tmp_path: Path
) -> None:
    first = re.search(r"```python\n(.*?)```", (ROOT / "irisvue/README.md").read_text(), re.S)
    assert first
    (tmp_path / "quickstart.py").write_text(first[1])
    (tmp_path / "eye.jpg").write_bytes(eye_jpeg)
    token = make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])
    env = os.environ | {"IRISVUE_URL": stack.url, "IRISVUE_TOKEN": token, "no_proxy": "*"}
    argv = [str(client_environment / "bin/python"), "quickstart.py"]
    done = subprocess.run(argv, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "iris.jpg").read_bytes().startswith(b"\xff\xd8")
