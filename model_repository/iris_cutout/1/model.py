"""The iris out of one segmented picture, by `orchestrator.pipeline`, so that there is one implementation."""

import json
import os
import sys

# The stub starts Python isolated, which ignores PYTHONPATH.
sys.path[:0] = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]

import numpy as np  # noqa: E402
import triton_python_backend_utils as pb_utils  # noqa: E402

from orchestrator.errors import IrisvueError  # noqa: E402
from orchestrator.pipeline.preview import cut_out  # noqa: E402

INPUTS = ("image", "probabilities", "reflection", "presence")


class TritonPythonModel:
    """Answers with an error, in the words of the contract, where there is no iris."""

    def initialize(self, args):
        """Read the side of the tile from the configuration."""
        self._side_px = json.loads(args["model_config"])["output"][0]["dims"][0]

    def execute(self, requests):
        """One answer a request."""
        return [self._answer(request) for request in requests]

    def _answer(self, request):
        # from_dlpack, not as_numpy: the server was built against NumPy 1 and would hand out stride-0 arrays.
        image, probabilities, reflection, presence = (
            np.from_dlpack(pb_utils.get_input_tensor_by_name(request, name)) for name in INPUTS
        )
        try:
            tiles = np.stack(
                [
                    cut_out(image[i], probabilities[i], reflection[i, ..., 0], float(presence[i, 0]), self._side_px)
                    for i in range(len(image))
                ]
            )
        except IrisvueError as error:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(error.detail))
        return pb_utils.InferenceResponse([pb_utils.Tensor.from_dlpack("tile", tiles)])
