"""Triton's OpenVINO backend for servers that come without one: a Python-based backend with the same name.

It knows the parameters `HINT_BF16`, `NUM_STREAMS` and `INFERENCE_NUM_THREADS` of Triton's own backend, and does not
fill up smaller batches.
"""

import json
import os
import sys

# The stub starts Python isolated, which ignores PYTHONPATH (pybind11's PyConfig_InitIsolatedConfig).
sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]

import openvino  # noqa: E402

from orchestrator.embedded.backends.batches import answers  # noqa: E402
from orchestrator.inference.cores import session_threads  # noqa: E402


class TritonPythonModel:
    """One instance of one model version."""

    def initialize(self, args):
        """Compile the file of the version that the server names."""
        config = json.loads(args["model_config"])
        parameters = {k: v["string_value"] for k, v in config.get("parameters", {}).items()}
        options = {"PERFORMANCE_HINT": "LATENCY"}
        if parameters.get("HINT_BF16", "").lower() == "yes":
            options["INFERENCE_PRECISION_HINT"] = "bf16"
        if streams := parameters.get("NUM_STREAMS"):
            options["NUM_STREAMS"] = streams
        if threads := int(parameters.get("INFERENCE_NUM_THREADS", "0")) or session_threads():
            options["INFERENCE_NUM_THREADS"] = threads
        name = config.get("default_model_filename") or "model.xml"
        path = os.path.join(args["model_repository"], args["model_version"], name)
        self._request = openvino.Core().compile_model(path, "CPU", options).create_infer_request()
        self._inputs = [i["name"] for i in config["input"]]
        self._outputs = [o["name"] for o in config["output"]]

    def execute(self, requests):
        """Run all requests as one batch and return its part to each."""
        return answers(requests, self._inputs, self._outputs, self._run)

    def _run(self, feed):
        results = self._request.infer(feed)
        return [results[name] for name in self._outputs]
