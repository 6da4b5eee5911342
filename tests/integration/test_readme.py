"""The commands of the README do what it says."""

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import jwt
import pytest
from PIL import Image

from orchestrator.auth.tokens import JOBS_ALL, MODELS_WRITE
from orchestrator.config import ROOT
from orchestrator.embedded.stack import Stack

README = (ROOT / "README.md").read_text()


def paste_the_five_calls(folder: Path, api: str, token: str) -> "subprocess.CompletedProcess[str]":
    block = next(b for b in re.findall(r"```sh\n(.*?)```", README, re.S) if "PHOTO_ID" in b)
    (folder / "orchestrator").symlink_to(ROOT / "orchestrator")
    env = os.environ | {"API": api, "TOKEN": token, "no_proxy": "*"}
    argv = ["bash", "-euo", "pipefail", "-c", block]
    return subprocess.run(argv, cwd=folder, env=env, capture_output=True, text=True, check=False)


def test_the_five_calls_work_when_pasted(stack: Stack, tmp_path: Path) -> None:
    done = paste_the_five_calls(tmp_path, stack.url, stack.token)
    assert done.returncode == 0, done.stderr
    assert "event: completed" in done.stdout and '"quality_score"' in done.stdout
    with Image.open(tmp_path / "result.jpg") as picture:
        assert picture.format == "JPEG"


@pytest.mark.parametrize("wrong", ["address", "token"])
def test_the_first_of_the_five_calls_says_why_it_fails(stack: Stack, tmp_path: Path, wrong: str) -> None:
    api, token = ("http://127.0.0.1:9", stack.token) if wrong == "address" else (stack.url, "none")
    done = paste_the_five_calls(tmp_path, api, token)
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert ("Failed to connect to 127.0.0.1 port 9" if wrong == "address" else "'status': 401") in done.stderr


def test_the_page_has_the_button_that_the_guides_name() -> None:
    words = re.findall(r"press \*([^*]+)\*", README + (ROOT / "docs/index.md").read_text())
    page = (ROOT / "orchestrator/web/index.html").read_text()
    assert len(words) == 2 and all(f">{word}</button>" in page for word in words)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with what make needs, which is not the one that somebody works in."""
    for name in ("Makefile", ".venv"):
        (tmp_path / name).symlink_to(ROOT / name)
    if not (ROOT / ".venv/installed").exists():
        pytest.skip("this is not the environment that make made")
    return tmp_path


def scopes_of(token: str) -> set[str]:
    """What a token allows beyond the use of one's own photos."""
    return set(jwt.decode(token, options={"verify_signature": False}).get("scope", "").split())


INSTALLED = ["-o", ".venv/installed"]  # make is not to install anything from here


def lines_of(page: str) -> list[str]:
    """Blocks marked `run by test_readme.py`."""
    found = re.findall(r"<!-- run by test_readme.py -->\n```sh\n(.*?)```", (ROOT / page).read_text(), re.S)
    return [line.partition("#")[0].strip() for block in found for line in block.splitlines()]


def plain_environment(**more: str) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS", "IRISVUE_"))} | more


def test_the_two_commands_of_the_readme(clone: Path) -> None:
    assert lines_of("README.md") == ["make demo", "make test", "make up"]  # the second runs this test
    argv, env = ["make", "demo", *INSTALLED], plain_environment(MAKEFLAGS="-- INFERENCE=local", no_proxy="*")
    done = subprocess.run(argv, cwd=clone, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with Image.open(clone / "demo-output/result.jpg") as picture:
        assert min(picture.size) >= 1024
    assert {p.name for p in (clone / "demo-output").iterdir()} >= {"mask.png", "before_after.png", "timings.json"}


def press_ctrl_c(make: subprocess.Popen[str]) -> None:
    os.killpg(make.pid, signal.SIGINT)  # the terminal sends it to make and to what it runs


def terminate(make: subprocess.Popen[str]) -> None:
    make.terminate()  # as a supervisor does: only to make


@pytest.mark.parametrize(
    ("page", "number", "stop"),
    [("README.md", 2, press_ctrl_c), ("docs/index.md", 0, terminate), ("docs/index.md", 1, press_ctrl_c)],
)
def test_make_up_prints_a_link_that_opens(
    clone: Path, page: str, number: int, stop: Callable[[subprocess.Popen[str]], None]
) -> None:
    line = lines_of(page)[number].replace("192.168.1.20", "127.0.0.2")  # an address of this machine
    assert line.startswith("make up")
    env = plain_environment(MAKEFLAGS="-- PORT=0 INFERENCE=local", no_proxy="*", COLUMNS="200")
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [*shlex.split(line), *INSTALLED], cwd=clone, env=env, stdout=pipe, text=True, start_new_session=True
    )
    assert process.stdout
    try:
        said = ""
        while "Ctrl-C" not in said:
            read = process.stdout.readline()
            assert read, said
            said += read
        link = re.search(r"Page:\s+(http\S+)#token=(\S+)", said)
        assert link and ("127.0.0.2" in link[1]) == ("HOST" in line)
        assert "<title>" in httpx.get(link[1], trust_env=False).text
        token = re.search(r"Token:\s+(\S+)", said)
        assert token and scopes_of(token[1]) == {MODELS_WRITE, JOBS_ALL} and scopes_of(link[2]) == set()
        with httpx.Client(headers={"Authorization": f"Bearer {link[2]}"}, trust_env=False) as app:
            refused = app.put(f"{link[1]}api/v1/models/iris_unet/route", json={"shares": {"1": 100}})
        assert refused.status_code == 403, "who has the page's link may not choose networks"
    finally:
        stop(process)
        process.stdout.close()
        process.wait(60)
    with pytest.raises(ProcessLookupError):  # nothing is left behind
        os.killpg(process.pid, 0)


@pytest.mark.parametrize("target", ["demo", "test", "check", "fuzz", "format", "test-export"])
def test_named_make_targets_exist(target: str) -> None:
    assert f"make {target}" in README + (ROOT / "CONTRIBUTING.md").read_text()
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)


def test_named_files_exist() -> None:
    for path in re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(r"`((?:orchestrator|export)/[\w/]+\.py)`", README):
        assert (ROOT / path).exists(), path
