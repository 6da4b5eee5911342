"""Why Triton does not load a model, in words for the person who publishes it; its own are those of its C++ code."""

import re

from orchestrator.inference.load_faults import meaning_of

LOG = "the server's log says why (docker compose logs triton, or logs/triton.log in the data folder)"

# What Triton says, and what it means. The first that is found counts.
_MEANINGS: tuple[tuple[str, str], ...] = (
    (
        r"not allowed if (polling|model control)|model control mode|POLL mode",
        "this Triton loads no models on demand. Start it with --model-control-mode=explicit",
    ),
    (
        r"engine plan file|incompatible device|[Ss]erialization (assertion|error)|deserializ\w+ .*engine",
        "its plan was built by another TensorRT or for another GPU. Build it where it is served",
    ),
    (r"Model can't be parsed|Unable to read the model", "it is damaged, cut off or something else"),
    (
        r"OpenVINO does not support the following ONNX operations: ([\w.]+)",
        "it uses the operator {0}, which OpenVINO does not have. A server with PROFILE=cpu runs it by ONNX Runtime",
    ),
    (
        r"[Oo]ut of memory|bad_alloc|[Ff]ailed to allocate|CUDA_ERROR_OUT_OF_MEMORY|BFCArena",
        "the server has no memory for it. Unload a version, or give it a machine or a GPU with more",
    ),
    (
        r"[Uu]nable to find backend|[Ff]ailed to (find|open|load).* backend|backend library",
        "this server has no backend for files of this kind. The image of triton.Dockerfile has them all",
    ),
    (
        r"No module named '?([\w.]+)",
        "its Python backend lacks a package ({0}). The image of triton.Dockerfile has them all",
    ),
    (
        r"[Ss]tub process|stub .*(unhealthy|not healthy)|shared memory|/dev/shm",
        "its Python process ended. Does the server have enough shared memory (shm_size: 1gb), and Python's own library",
    ),
    (
        r"at least one version must be available|[Ff]ailed to poll|not found in any model repository|[Nn]o such file",
        "the server sees no such file in its repository. Does it read the folder or the bucket that "
        "IRISVUE_MODEL_REPOSITORY names, and may it",
    ),
    (
        r"expect.* (shape|datatype|dim|input|output)|unexpected (shape|datatype|inference)|config\.pbtxt|ModelConfig",
        "its config.pbtxt says other inputs or outputs than the file has",
    ),
)


def fault_of(reason: str) -> str:
    """What is wrong, as the end of a sentence that names the model; without a full stop.

    Args:
        reason: what Triton answered.
    """
    flat = " ".join(reason.split())
    for pattern, meaning in _MEANINGS:
        if match := re.search(pattern, flat):
            return meaning.format(*match.groups())
    return meaning_of(flat) or LOG
