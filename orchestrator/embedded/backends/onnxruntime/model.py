"""Triton's ONNX Runtime backend for servers that come without one: a Python-based backend with the same name.

The thread count is the model's parameter `intra_op_thread_count`, as in Triton's own backend.
"""

import json
import os
import sys

# The stub starts Python isolated, which ignores PYTHONPATH (pybind11's PyConfig_InitIsolatedConfig).
sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]

import onnxruntime  # noqa: E402

from orchestrator.embedded.backends.batches import answers  # noqa: E402
from orchestrator.inference.cores import session_threads  # noqa: E402


class TritonPythonModel:
    """One instance of one model version."""

    def initialize(self, args):
        """Load the ONNX file of the version that the server names."""
        config = json.loads(args["model_config"])
        parameters = {k: v["string_value"] for k, v in config.get("parameters", {}).items()}
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(parameters.get("intra_op_thread_count", "0")) or session_threads()
        options.log_severity_level = 3
        # Waiting threads must not spin: the cores are shared with the workers and with the other network.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        name = config.get("default_model_filename") or "model.onnx"
        path = os.path.join(args["model_repository"], args["model_version"], name)
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self._inputs = [i["name"] for i in config["input"]]
        self._outputs = [o["name"] for o in config["output"]]

    def execute(self, requests):
        """Run all requests as one batch and return its part to each."""
        return answers(requests, self._inputs, self._outputs, self._run)

    def _run(self, feed):
        return self._session.run(self._outputs, feed)
