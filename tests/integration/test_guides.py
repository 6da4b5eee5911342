"""The docs are built without a warning, generated pages are up to date, and their sh, python and ts blocks run.

Blocks with a mark before them are run by the test that it names, or it says why none can (Docker, a cluster).
"""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from docs.generate import PAGES
from irisvue import Client
from orchestrator.auth.tokens import make_token
from orchestrator.config import ROOT, settings
from orchestrator.config_check import read_settings, unknown_names
from orchestrator.embedded.stack import Stack
from tests.clients.test_typescript import FOLDER as TYPESCRIPT
from tests.clients.test_typescript import npm
from tests.tls import authority_file

BIN = Path(sys.executable).parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
GUIDES = ["docs/apps.md", "docs/operators.md", "README.md"]
LANGUAGES = {"sh", "python", "ts", "tsx", "js", "kotlin", "swift", "ini", "text"}
CANT = {
    "tests/clients/test_packages.py does, in an empty project",
    "it installs packages; .ci/run does too",
    "it needs a Docker engine",
    "it needs a compiler for phones",
    "it trains; tests/export runs the parts",
    "it needs a folder of photos; tests/integration/publishing/test_compare.py runs it",
    "it needs a cluster; tests render it",
    "it needs published weights; tests/export runs it on small ones",
    "it needs the package index; tests/export does it for real",
}
FENCE = re.compile(r"(?:<!-- (?P<mark>(?:not )?run[^>]+) -->\n)?```(?P<language>\w*)\n(?P<code>.*?)```", re.S)
PRELUDE = """
import { readFileSync } from "node:fs";
const IRISVUE_URL = process.env.IRISVUE_URL!;
const IRISVUE_TOKEN = process.env.IRISVUE_TOKEN!;
const photo = new File([readFileSync("eye.jpg")], "eye.jpg", { type: "image/jpeg" });
"""
TSCONFIG = """{"extends": "../../tsconfig.json", "include": ["."],
"compilerOptions": {"jsx": "react-jsx", "types": ["node"]}}"""


SHOWN = """// @vitest-environment happy-dom
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, waitFor } from "@testing-library/react";
import type { ComponentType } from "react";
import { expect, test } from "vitest";
import { Irisvue } from "../../src/index.js";
import { eye, token, url } from "../live.js";
import * as module from "./componentNUMBER.js";

const Component = (Object.values(module) as ComponentType<{ client: Irisvue; jobId: string }>[])[0]!;

test("the component shows a job until it is done", async () => {
  const client = new Irisvue({ baseUrl: url, token });
  const photo = await client.uploadPhoto(await eye(), { onProgress: () => undefined });
  const { job_id } = await client.submit(photo.id);
  const shown = <Component client={client} jobId={job_id} />;
  const { container } = render(<QueryClientProvider client={new QueryClient()}>{shown}</QueryClientProvider>);
  const seen = new Set<string>();
  await waitFor(() => {
    seen.add(container.innerHTML);
    expect(container.innerHTML).toMatch(/\\b100\\b[^0-9]*$|Complete!/);
  }, { timeout: 60_000 });
  expect(seen.size).toBeGreaterThan(1);
});
"""


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    code: str


def blocks(page: str, language: str) -> list[str]:
    found = [Block(m["language"], m["code"]) for m in FENCE.finditer((ROOT / page).read_text()) if not m["mark"]]
    return [block.code for block in found if block.language == language]


@pytest.fixture
def here(stack: Stack, tmp_path: Path, eye_jpeg: bytes) -> Path:
    """A folder such as a reader would be in."""
    (tmp_path / "eye.jpg").write_bytes(eye_jpeg)
    (tmp_path / "orchestrator").symlink_to(ROOT / "orchestrator")
    (tmp_path / ".venv").symlink_to(BIN.parent)
    return tmp_path


@pytest.fixture
def env(stack: Stack, eye_jpeg: bytes) -> dict[str, str]:
    user = uuid4()
    token = make_token(user, stack.env["IRISVUE_JWT_SECRET"])
    with Client(stack.url, token) as client:  # somebody who has used it
        client.upload(eye_jpeg)
    return os.environ | {
        "USER_ID": str(user),
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


def test_every_block_says_what_it_is_and_who_runs_it() -> None:
    for page in [*DOCS, ROOT / "README.md"]:
        for block in FENCE.finditer(page.read_text()):
            assert block["language"] in LANGUAGES | {""}, f"{page.name}: ```{block['language']}"
            if block["language"] in ("", "text"):
                assert not re.search(r"^\$? ?(irisvue|make|docker|kubectl|curl) ", block["code"], re.M), block["code"]
            mark = block["mark"] or ""
            if runner := re.match(r"run by (\w+\.py)", mark):
                assert f"run by {runner[1]}" in next((ROOT / "tests").rglob(runner[1])).read_text()
            elif mark:
                assert mark.removeprefix("not run: ") in CANT, f"{page.name}: {mark}"


def test_packages_of_the_readme_are_those_that_ci_installs() -> None:
    wanted = re.search(r"apt-get install -y (.+)", (ROOT / "README.md").read_text())
    assert wanted and set(wanted[1].split()) == {"git", "make", "python3-venv", "libpython3-dev"}
    assert "libpython$version" in (ROOT / ".ci/run").read_text(), "the one that a machine with git, make, venv lacks"


def test_settings_shown_to_operators_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = [line for block in blocks("docs/operators.md", "ini") for line in block.splitlines()]
    assert lines
    for name in [name for name in os.environ if name.startswith("IRISVUE_")]:
        monkeypatch.delenv(name)
    for name in ("db.pem", "redis.pem"):
        shutil.copy(authority_file(tmp_path), tmp_path / name)
    needed = len(blocks("docs/operators.md", "ini")[0].splitlines())
    for number, line in enumerate(lines, 1):
        monkeypatch.setenv(*line.replace("/etc/ssl", str(tmp_path)).split("=", 1))
        if number >= needed:
            assert unknown_names() == []
            settings.cache_clear()
            assert read_settings().public_url == "https://iris.example.com"
    settings.cache_clear()


@pytest.mark.parametrize("page", GUIDES)
def test_shell_blocks_run_in_order(page: str, here: Path, env: dict[str, str]) -> None:
    script = "\n".join(blocks(page, "sh"))
    assert script
    argv = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(argv, cwd=here, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


TOKEN_LINES = {
    "README.md": ".",
    "docs/index.md": "app",
    "docs/apps.md": "app",
    "irisvue/README.md": "app",
    "clients/typescript/README.md": "app",
    "clients/example-web/README.md": "clients/example-web",
    "clients/example-expo/README.md": "clients/example-expo",
}


@pytest.mark.parametrize("page", TOKEN_LINES)
def test_the_line_that_makes_a_token_makes_one_in_the_folder_that_the_page_is_about(
    page: str, stack: Stack, tmp_path: Path
) -> None:
    (tmp_path / ".venv").symlink_to(BIN.parent)
    (tmp_path / "irisvue-data").symlink_to(stack.folder)
    folder = tmp_path / TOKEN_LINES[page]
    folder.mkdir(parents=True, exist_ok=True)
    if TOKEN_LINES[page] == "app":
        (folder / "path/to").mkdir(parents=True)
        (folder / "path/to/irisvue").symlink_to(tmp_path)
    [command] = re.findall(r"\$\(([^()]*irisvue token[^()]*)\)", (ROOT / page).read_text())
    env = {name: value for name, value in os.environ.items() if not name.startswith("IRISVUE_")}
    made = subprocess.run(["sh", "-c", command], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    with Client(stack.url, made.stdout.strip()) as client:
        assert list(client.jobs()) == []


def test_no_page_has_code_that_nobody_runs() -> None:
    pages = {str(page.relative_to(ROOT)) for page in [*DOCS, ROOT / "README.md"]}
    assert {page for page in pages if blocks(page, "sh")} == {*GUIDES}
    assert {page for page in pages if blocks(page, "ini")} == {"docs/operators.md"}
    assert {page for page in pages if blocks(page, "python")} == {"docs/index.md", "docs/apps.md"}
    assert not [page for page in pages if blocks(page, "js")], "a test of their own runs them"
    assert {page for page in pages if blocks(page, "ts")} == {"docs/index.md", "docs/apps.md"}


@pytest.mark.parametrize("page", ["docs/index.md", "docs/apps.md", "irisvue/README.md"])
def test_python_blocks_run(page: str, here: Path, env: dict[str, str]) -> None:
    code = "\n".join(blocks(page, "python"))
    assert code
    argv = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(argv, cwd=here, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    if "client.save" in code:
        assert (here / "iris.jpg").read_bytes().startswith(b"\xff\xd8")


@pytest.mark.parametrize("page", ["docs/index.md", "docs/apps.md", "clients/typescript/README.md"])
@pytest.mark.timeout(240)
def test_typescript_blocks_are_sound_and_run(page: str, here: Path, env: dict[str, str]) -> None:
    work = TYPESCRIPT / "test" / f"guide-{Path(page).stem.lower()}"
    work.mkdir(exist_ok=True)
    try:
        code = "\n".join(blocks(page, "ts") or blocks(page, "js"))
        imports = sorted(set(re.findall(r"^import .*$", code, re.M)))
        body = re.sub(r"^import .*$", "", code, flags=re.M)
        prelude = "" if "process.env" in body else PRELUDE  # the client's README is a whole program
        program = "\n".join([*imports, prelude, body, "export {};"])
        (work / "guide.ts").write_text(program.replace('"irisvue-client"', '"../../src/index.js"'))
        for number, component in enumerate(blocks(page, "tsx")):
            text = re.sub('"irisvue-client/(react|react-query)"', r'"../../src/\1.js"', component)
            (work / f"component{number}.tsx").write_text(text.replace('"irisvue-client"', '"../../src/index.js"'))
            (work / f"component{number}.test.tsx").write_text(SHOWN.replace("NUMBER", str(number)))
        (work / "tsconfig.json").write_text(TSCONFIG)
        checked = npm("check-guide", "--", str(work / "tsconfig.json"))
        assert checked.returncode == 0, checked.stdout
        bundle = here / "guide.mjs"
        argv = [str(TYPESCRIPT / "node_modules/.bin/esbuild"), str(work / "guide.ts"), "--bundle", "--platform=node"]
        subprocess.run([*argv, "--format=esm", f"--outfile={bundle}", "--log-level=error"], check=True)
        done = subprocess.run(["node", str(bundle)], cwd=here, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        assert "Enhancing quality..." in done.stdout
        assert "http" in done.stdout or (here / "iris.jpg").read_bytes().startswith(b"\xff\xd8")
        if any(work.glob("*.test.tsx")):
            shown = npm("test", "--", f"test/{work.name}/", **env | {"IRISVUE_PHOTO": str(here / "eye.jpg")})
            assert shown.returncode == 0, shown.stdout[-4000:] + shown.stderr[-2000:]
    finally:
        for path in work.iterdir():
            path.unlink()
        work.rmdir()
