"""Cuts the iris out of a segmented picture by calling `orchestrator.pipeline`, the one implementation."""

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
    """Responds with the error's own sentence where there is no iris; the client recognises it."""

    def initialize(self, args):
        """Read the tile's side from the model configuration."""
        self._side_px = json.loads(args["model_config"])["output"][0]["dims"][0]

    def execute(self, requests):
        """One response for each request."""
        return [self._respond(request) for request in requests]

    def _respond(self, request):
        # from_dlpack, not as_numpy: the server is built against NumPy 1, and as_numpy returns arrays of stride 0.
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
