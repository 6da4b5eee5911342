"""The docs are built without a warning, generated pages are up to date, and their sh, python and ts blocks run.

What can't run here (Docker, a cluster, others' tools) is fenced as text or marked `not run`; tsx is type-checked.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from docs.generate import PAGES
from orchestrator.auth import make_token
from orchestrator.config import ROOT
from orchestrator.embedded.stack import Stack
from tests.clients.test_typescript import FOLDER as TYPESCRIPT
from tests.clients.test_typescript import npm

BIN = Path(sys.executable).parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
GUIDES = ["docs/apps.md", "docs/operators.md", "README.md"]  # docs/models.md is run by test_publish.py
LANGUAGES = {"sh", "python", "ts", "tsx", "text"}
FENCE = re.compile(r"(?:<!-- not run: (?P<why>[^>]+) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)```", re.S)
PRELUDE = """
import { readFileSync } from "node:fs";
const IRISVUE_URL = process.env.IRISVUE_URL!;
const IRISVUE_TOKEN = process.env.IRISVUE_TOKEN!;
const photo = new File([readFileSync("eye.jpg")], "eye.jpg", { type: "image/jpeg" });
"""
TSCONFIG = """{"extends": "../../tsconfig.json", "include": ["."],
"compilerOptions": {"jsx": "react-jsx", "types": ["node"]}}"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    code: str


def blocks(page: str, language: str) -> list[str]:
    found = [Block(m["language"], m["code"]) for m in FENCE.finditer((ROOT / page).read_text()) if not m["why"]]
    return [block.code for block in found if block.language == language]


@pytest.fixture
def here(stack: Stack, tmp_path: Path, eye_jpeg: bytes) -> Path:
    """A folder such as a reader would be in."""
    (tmp_path / "eye.jpg").write_bytes(eye_jpeg)
    (tmp_path / "orchestrator").symlink_to(ROOT / "orchestrator")
    (tmp_path / ".venv").symlink_to(BIN.parent)
    return tmp_path


@pytest.fixture
def env(stack: Stack) -> dict[str, str]:
    token = make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])
    return os.environ | {
        "API": stack.url,
        "TOKEN": token,
        "IRISVUE_URL": stack.url,
        "IRISVUE_TOKEN": token,
        "IRISVUE_DATA": str(stack.folder),
        "PATH": f"{BIN}:{os.environ['PATH']}",
        "no_proxy": "*",
        "COLUMNS": "200",
    }


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    argv = [str(BIN / "mkdocs"), "build", "--strict", "--site-dir", str(tmp_path / "site")]
    env = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert built.returncode == 0 and "WARNING" not in built.stderr, built.stderr
    pages = {path.parent.name for path in (tmp_path / "site").rglob("index.html")}
    assert {page.stem for page in DOCS} - {"index"} <= pages
    for page in (tmp_path / "site").rglob("*.html"):
        assets = re.findall(
            r'<(?:script|img|link rel="stylesheet")[^>]* (?:src|href)="(https?:[^"]+)"', page.read_text()
        )
        assert not assets, f"{page} asks another host for {assets}"


@pytest.mark.parametrize("name", PAGES)
def test_generated_pages_are_up_to_date(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == PAGES[name](), "run: make docs"


def test_every_block_says_what_it_is() -> None:
    for page in DOCS:
        for block in FENCE.finditer(page.read_text()):
            assert block["language"] in LANGUAGES, f"{page.name}: ```{block['language']}"


@pytest.mark.parametrize("page", GUIDES)
def test_shell_blocks_run_in_order(page: str, here: Path, env: dict[str, str]) -> None:
    script = "\n".join(blocks(page, "sh"))
    assert script
    argv = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(argv, cwd=here, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def test_no_page_has_code_that_nobody_runs() -> None:
    pages = {str(page.relative_to(ROOT)) for page in [*DOCS, ROOT / "README.md"]}
    assert {page for page in pages if blocks(page, "sh")} == {*GUIDES, "docs/models.md"}
    assert {page for page in pages if blocks(page, "python")} == {"docs/index.md", "docs/apps.md"}
    assert {page for page in pages if blocks(page, "ts")} == {"docs/index.md", "docs/apps.md"}


@pytest.mark.parametrize("page", ["docs/index.md", "docs/apps.md", "clients/python/README.md"])
def test_python_blocks_run(page: str, here: Path, env: dict[str, str]) -> None:
    code = "\n".join(blocks(page, "python"))
    assert code
    argv = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(argv, cwd=here, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    if "client.save" in code:
        assert (here / "iris.jpg").read_bytes().startswith(b"\xff\xd8")


@pytest.mark.parametrize("page", ["docs/index.md", "docs/apps.md", "clients/typescript/README.md"])
def test_typescript_blocks_are_sound_and_run(page: str, here: Path, env: dict[str, str]) -> None:
    work = TYPESCRIPT / "test" / f"guide-{Path(page).stem.lower()}"
    work.mkdir(exist_ok=True)
    try:
        code = "\n".join(blocks(page, "ts"))
        imports = sorted(set(re.findall(r"^import .*$", code, re.M)))
        body = re.sub(r"^import .*$", "", code, flags=re.M)
        program = "\n".join([*imports, PRELUDE, body, "export {};"])
        (work / "guide.ts").write_text(program.replace('"irisvue-client"', '"../../src/index.js"'))
        for number, component in enumerate(blocks(page, "tsx")):
            text = component.replace('"irisvue-client/react"', '"../../src/react.js"')
            (work / f"component{number}.tsx").write_text(text.replace('"irisvue-client"', '"../../src/index.js"'))
        (work / "tsconfig.json").write_text(TSCONFIG)
        checked = npm("check-guide", "--", str(work / "tsconfig.json"))
        assert checked.returncode == 0, checked.stdout
        bundle = here / "guide.mjs"
        argv = [str(TYPESCRIPT / "node_modules/.bin/esbuild"), str(work / "guide.ts"), "--bundle", "--platform=node"]
        subprocess.run([*argv, "--format=esm", f"--outfile={bundle}", "--log-level=error"], check=True)
        done = subprocess.run(["node", str(bundle)], cwd=here, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        assert "Enhancing quality..." in done.stdout and "http" in done.stdout
    finally:
        for path in work.iterdir():
            path.unlink()
        work.rmdir()
