"""`python -m export tensorrt` without a GPU: ONNX Runtime stands in for trtexec, with right and wrong answers."""

import os
import shutil
import stat
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from export.cli import app
from orchestrator.config import ROOT

TRTEXEC = f"""#!{sys.executable}
import json, os, shutil, sys
import numpy as np, onnxruntime
given = dict(a.lstrip("-").split("=", 1) for a in sys.argv[1:] if "=" in a)
if "onnx" in given:
    shutil.copy(given["onnx"], given["saveEngine"])
elif "loadEngine" in given:
    session = onnxruntime.InferenceSession(given["loadEngine"], providers=["CPUExecutionProvider"])
    name, file = given["loadInputs"].split(":")
    image = np.fromfile(file, np.uint8).reshape(1, 256, 256, 3)
    rows = []
    for output, answer in zip(session.get_outputs(), session.run(None, {{name: image}})):
        values = (answer.astype(float) + float(os.environ["OFF"])).ravel().tolist()
        rows.append({{"name": output.name, "dimensions": "x".join(map(str, answer.shape)), "values": values}})
    json.dump(rows, open(given["exportOutput"], "w"))
else:
    print("TensorRT v101500")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A GPU's programs on the path, and a copy of both shipped networks."""
    for name, text in {"trtexec": TRTEXEC, "nvidia-smi": "#!/bin/sh\necho NVIDIA L4\n"}.items():
        program = tmp_path / name
        program.write_text(text)
        program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for name in ("iris_unet", "realesrgan"):
        shutil.copytree(ROOT / "model_repository" / name / "1", tmp_path / "models" / name / "1")
    return tmp_path


def _build(folder: Path) -> tuple[int, str]:
    argv = ["tensorrt", "--repository", str(folder / "models"), "--plans", str(folder / "plans")]
    done = CliRunner().invoke(app, argv)
    return done.exit_code, done.output


def test_plans_with_the_same_answers_are_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFF", "0")
    code, output = _build(folder)
    assert code == 0 and output.count("999 of 1,000 values of its plan within 0") == 2, output
    assert len(list(folder.glob("models/*/1/model.plan"))) == len(list(folder.glob("plans/nvidia-l4-*/*.plan"))) == 2
    assert "0 built" in _build(folder)[1]


def test_a_plan_with_other_answers_is_removed_and_the_onnx_file_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFF", "0.2")  # far too much for a probability
    code, output = _build(folder)
    assert code == 1 and "apart by 0.2, allowed 0.03" in output and "PROFILE=gpu-onnx" in output
    assert not (folder / "models" / "iris_unet" / "1" / "model.plan").exists()
    assert (folder / "models" / "iris_unet" / "1" / "model.onnx").exists()
    assert not list(folder.glob("plans/*/iris_unet-*"))


def test_without_a_gpu_it_says_so(folder: Path) -> None:
    (folder / "nvidia-smi").write_text("#!/bin/sh\nexit 9\n")
    code, output = _build(folder)
    assert code == 1 and "No GPU is visible" in output
    (folder / "trtexec").unlink()
    assert "trtexec is not here" in _build(folder)[1]
