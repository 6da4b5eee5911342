"""A model that Triton runs while a candidate is published: it builds the candidate's TensorRT plan, on the GPU.

The publisher loads it for one call, with the control key; the network's name is its parameter `network`. Plans are kept
in $PLANS (/plans), where deploy/triton/start.py finds them at the next start.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]

from export.conversion.tensorrt import CannotBuild, kept_plan


class TritonPythonModel:
    """`onnx` uint8 (N,) in, `plan` uint8 (M,) out: the bytes of the two files."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the network's name from the configuration."""
        self._network = json.loads(args["model_config"])["parameters"]["network"]["string_value"]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Build one plan for each request; an error says why there is none."""
        return [self._answer(np.from_dlpack(pb_utils.get_input_tensor_by_name(r, "onnx"))) for r in requests]

    def _answer(self, data: Any) -> Any:
        plans = Path(os.environ.get("PLANS", "/plans"))
        with tempfile.TemporaryDirectory() as folder:
            onnx = Path(folder) / "model.onnx"
            onnx.write_bytes(data.tobytes())
            try:
                plan, _ = kept_plan(self._network, onnx, plans)
            except (CannotBuild, OSError) as error:
                return pb_utils.InferenceResponse(error=pb_utils.TritonError(f"{error}"))
        answer = np.frombuffer(bytearray(plan.read_bytes()), np.uint8)  # writable, as DLPack wants it
        return pb_utils.InferenceResponse([pb_utils.Tensor.from_dlpack("plan", answer)])
