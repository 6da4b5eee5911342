"""The packages that users install: what is in them, and that their quick starts run as they stand."""

import json
import re
import tarfile
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from orchestrator.auth.tokens import make_token
from orchestrator.config import ROOT
from orchestrator.embedded.stack import Stack
from tests.clients.test_typescript import FOLDER as TYPESCRIPT
from tests.clients.test_typescript import npm, run

MODULES = ["client", "errors", "index", "react", "schema", "sse", "watch"]
TYPES_USED = """
import { Irisvue, type ProgressMessage } from "irisvue-client";
import { useJobProgress } from "irisvue-client/react";

const client = new Irisvue({ baseUrl: "http://127.0.0.1:8000", token: "" });
export const uploaded: Promise<string> = client.uploadPhoto(new Uint8Array(1)).then((photo) => photo.id);
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


@pytest.mark.parametrize(("module", "resolution"), [("NodeNext", "NodeNext"), ("ESNext", "Bundler")])
def test_the_npm_package_has_types(npm_project: Path, module: str, resolution: str) -> None:
    (npm_project / "use.ts").write_text(TYPES_USED)
    argv = [str(TYPESCRIPT / "node_modules/.bin/tsc"), "--strict", "--noEmit", "--target", "ES2022"]
    checked = run([*argv, "--module", module, "--moduleResolution", resolution, "use.ts"], npm_project)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.timeout(180)
def test_the_quick_start_of_the_npm_package_runs(npm_project: Path, stack: Stack, eye_jpeg: bytes) -> None:
    readme = (npm_project / "node_modules/irisvue-client/README.md").read_text()
    first = re.search(r"```ts\n(.*?)```", readme, re.S)
    assert first
    (npm_project / "quickstart.mjs").write_text(first[1])
    (npm_project / "eye.jpg").write_bytes(eye_jpeg)
    token = make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])
    done = run(["node", "quickstart.mjs"], npm_project, IRISVUE_URL=stack.url, IRISVUE_TOKEN=token)
    assert done.returncode == 0, done.stdout + done.stderr
    *progress, result_url = done.stdout.splitlines()
    assert progress[-1] == "100 Complete!"
    assert httpx.get(result_url, trust_env=False).content.startswith(b"\xff\xd8")
