"""Compares a TensorRT plan with the ONNX file that it was built from."""

import json
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime

from export.conversion.tensorrt import PROFILES, SIDE_PX, CannotBuild, infer
from export.drawing import eyes
from orchestrator.inference.protocol import PLAN_TOLERANCE

SEEDS = (9_720_000, 9_720_001, 9_720_002)


def check(program: str, name: str, onnx: Path, plan: Path) -> float:
    """Run drawn pictures through both; returns and prints the difference within which 999 of 1,000 values are.

    Raises:
        CannotBuild: the plan does not run, or its answers differ.
    """
    input_name = PROFILES[name].input_name
    session = onnxruntime.InferenceSession(str(onnx), providers=["CPUExecutionProvider"])
    with tempfile.TemporaryDirectory() as folder:
        answers = Path(folder) / "answers.json"
        worst = max(_difference(session, program, plan, input_name, seed, answers) for seed in SEEDS)
    if worst > PLAN_TOLERANCE[name]:
        raise CannotBuild(
            f"The plan of {onnx} answers otherwise: apart by {worst:.3g}, allowed {PLAN_TOLERANCE[name]:.3g}. "
            "It was not kept; serve the ONNX file with PROFILE=gpu-onnx."
        )
    print(f"{onnx}: 999 of 1,000 values of its plan within {worst:.3g}")
    return worst


def _difference(
    session: onnxruntime.InferenceSession, program: str, plan: Path, input_name: str, seed: int, answers: Path
) -> float:
    """Of all outputs for drawn picture `seed`; infinite where an answer is not a number."""
    image = eyes.draw(seed, SIDE_PX, SIDE_PX, "crop").image
    infer(program, plan, input_name, image.tobytes(), answers)
    actual = {row["name"]: np.asarray(row["values"], np.float64) for row in json.loads(answers.read_text())}
    outputs = [output.name for output in session.get_outputs()]
    worst = 0.0
    for output, expected in zip(outputs, session.run(outputs, {input_name: image[None]}), strict=True):
        difference = np.abs(actual[output] - np.asarray(expected, np.float64).ravel())
        worst = max(worst, float(np.quantile(np.nan_to_num(difference, nan=np.inf), 0.999)))
    return worst
