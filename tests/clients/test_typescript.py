"""The TypeScript client: generated types up to date, types sound, its own tests against the live stack."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

import pytest

from orchestrator.api.app import create_app
from orchestrator.auth.tokens import make_token
from orchestrator.config import ROOT, Settings
from orchestrator.embedded.stack import Stack

FOLDER = ROOT / "clients/typescript"
WEB = ROOT / "orchestrator/web/irisvue"


def npm(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run npm in the client's folder, where its packages are installed (`make clients` does that)."""
    if not shutil.which("npm") or not (FOLDER / "node_modules").is_dir():
        if "CI" in os.environ:
            pytest.fail("CI must have Node.js and the client's packages.")
        pytest.skip("the TypeScript client's packages are not installed: make clients (needs Node.js)")
    argv = ["npm", "--prefix", str(FOLDER), "run", "--silent", *arguments]
    return subprocess.run(argv, cwd=FOLDER, env=os.environ | env, capture_output=True, text=True, check=False)


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


@pytest.mark.timeout(300)
def test_its_own_tests_against_the_live_stack(stack: Stack, eye_jpeg: bytes, tmp_path: Path) -> None:
    photo = tmp_path / "eye.jpg"
    photo.write_bytes(eye_jpeg)
    token = make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])
    done = npm("test", IRISVUE_URL=stack.url, IRISVUE_TOKEN=token, IRISVUE_PHOTO=str(photo), NO_COLOR="1")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
