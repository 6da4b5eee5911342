"""Holds a TensorRT plan against the ONNX file that it was built from."""

import json
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime

from export import eyes
from export.tensorrt import PROFILES, SIDE_PX, CannotBuild, infer

ALLOWED = {"image": 0.03, "tile": 2.0}  # probability; grey levels: 999 of 1,000 values
SEEDS = (9_720_000, 9_720_001, 9_720_002)


def check(program: str, name: str, onnx: Path, plan: Path) -> float:
    """Run drawn pictures through both; returns, and says, the difference within which 999 of 1,000 values lie.

    Raises:
        CannotBuild: the plan does not run, or answers otherwise.
    """
    given, worst = PROFILES[name].given, 0.0
    session = onnxruntime.InferenceSession(str(onnx), providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]
    with tempfile.TemporaryDirectory() as folder:
        for seed in SEEDS:
            image = eyes.draw(seed, SIDE_PX, SIDE_PX, "crop").image
            want = dict(zip(outputs, session.run(outputs, {given: image[None]}), strict=True))
            answers = Path(folder) / "answers.json"
            infer(program, plan, given, image.tobytes(), answers)
            found = {row["name"]: np.asarray(row["values"], np.float64) for row in json.loads(answers.read_text())}
            for output in outputs:
                apart = np.abs(found[output] - np.asarray(want[output], np.float64).ravel())
                worst = max(worst, float(np.quantile(np.nan_to_num(apart, nan=np.inf), 0.999)))
    if worst > ALLOWED[given]:
        raise CannotBuild(
            f"The plan of {onnx} answers otherwise: apart by {worst:.3g}, allowed {ALLOWED[given]:.3g}. "
            "It was not kept; serve the ONNX file with PROFILE=gpu-onnx."
        )
    print(f"{onnx}: 999 of 1,000 values of its plan within {worst:.3g}")
    return worst
