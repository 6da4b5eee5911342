"""The commands of the README do what it says."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from orchestrator.config import ROOT
from orchestrator.embedded.stack import Stack

README = (ROOT / "README.md").read_text()


def test_the_five_calls_work_when_pasted(stack: Stack, tmp_path: Path) -> None:
    block = next(b for b in re.findall(r"```sh\n(.*?)```", README, re.S) if "PHOTO_ID" in b)
    (tmp_path / "orchestrator").symlink_to(ROOT / "orchestrator")
    env = os.environ | {"API": stack.url, "TOKEN": stack.token, "no_proxy": "*"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "event: completed" in done.stdout and '"quality_score"' in done.stdout
    with Image.open(tmp_path / "result.jpg") as picture:
        assert picture.format == "JPEG"


@pytest.mark.parametrize("target", ["demo", "test", "check", "format", "test-export"])
def test_named_make_targets_exist(target: str) -> None:
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M)


def test_named_files_exist() -> None:
    for path in re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(r"`((?:orchestrator|export)/[\w/]+\.py)`", README):
        assert (ROOT / path).exists(), path
