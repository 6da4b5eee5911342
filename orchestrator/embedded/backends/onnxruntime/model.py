"""Triton's ONNX Runtime backend for servers that come without one: a Python-based backend with the same name.

The server passes all requests of a dynamic batch at once; they run as one call. The thread count is the model's
parameter `intra_op_thread_count`, as in Triton's own backend.
"""

import ctypes
import json
import os
import sys

# The stub starts Python isolated, which ignores PYTHONPATH (pybind11's PyConfig_InitIsolatedConfig).
sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]

import numpy as np  # noqa: E402
import onnxruntime  # noqa: E402
import triton_python_backend_utils as pb_utils  # noqa: E402

from orchestrator.inference.cores import session_threads  # noqa: E402

_USED = ctypes.c_char_p(b"used_dltensor")
_rename = ctypes.pythonapi.PyCapsule_SetName
_rename.argtypes = [ctypes.py_object, ctypes.c_char_p]


def _to_triton(name, array):
    """The array as a Triton tensor.

    The stub renames a DLPack capsule that it has consumed to `used_dlpack`; NumPy expects the specification's
    `used_dltensor` and would log a warning each time.
    """
    capsule = array.__dlpack__()
    tensor = pb_utils.Tensor.from_dlpack(name, capsule)
    _rename(capsule, _USED)
    return tensor


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
        arrays = [
            [np.from_dlpack(pb_utils.get_input_tensor_by_name(request, name)) for name in self._inputs]
            for request in requests
        ]
        sizes = [row[0].shape[0] for row in arrays]
        feed = {
            name: np.ascontiguousarray(np.concatenate([row[i] for row in arrays]) if len(arrays) > 1 else arrays[0][i])
            for i, name in enumerate(self._inputs)
        }
        try:
            outputs = self._session.run(self._outputs, feed)
        except Exception as error:  # the server reports it to each caller, and the instance keeps running
            failed = pb_utils.TritonError(str(error))
            return [pb_utils.InferenceResponse(error=failed) for _ in requests]
        ends = np.cumsum(sizes)
        return [
            pb_utils.InferenceResponse(
                [
                    _to_triton(name, np.ascontiguousarray(output[end - size : end]))
                    for name, output in zip(self._outputs, outputs, strict=True)
                ]
            )
            for size, end in zip(sizes, ends, strict=True)
        ]
