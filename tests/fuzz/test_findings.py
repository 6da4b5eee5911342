"""The fuzzer's seeds and findings, run without it; and that the fuzzer does find a planted fault."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.__main__ import FINDINGS
from tests.fuzz.targets import TARGETS, seeds

CASES = [(name, seed) for name in TARGETS for seed in seeds(name)]
FOUND = [path for path in sorted(FINDINGS.rglob("*")) if path.is_file() and path.name != ".gitkeep"]


@pytest.mark.parametrize(("name", "seed"), [case for case in CASES if case[0] != "last_event_id"])
def test_seeds(name: str, seed: str) -> None:
    TARGETS[name](seeds(name)[seed])


@pytest.mark.parametrize("path", FOUND, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_findings_stay_fixed(path: Path) -> None:
    TARGETS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("name", ["last_event_id", "planted"])
def test_fuzzing_for_a_moment(name: str, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "tests.fuzz", name, "--seconds", "5", "--findings", str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    findings = list((tmp_path / name).iterdir())
    assert (done.returncode, bool(findings)) == ((1, True) if name == "planted" else (0, False)), done.stdout
    assert "runs" in done.stdout and not done.stdout.startswith(f"{name}: ? runs")
