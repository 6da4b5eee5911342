"""What the Python-based backends share: the requests of a dynamic batch run as one call, and each gets its part."""

import ctypes

import numpy as np
import triton_python_backend_utils as pb_utils

_USED = ctypes.c_char_p(b"used_dltensor")
_rename = ctypes.pythonapi.PyCapsule_SetName
_rename.argtypes = [ctypes.py_object, ctypes.c_char_p]


def answers(requests, inputs, outputs, run):
    """An InferenceResponse for each request.

    Args:
        requests: as the server passes them to `execute`.
        inputs: the inputs' names.
        outputs: the outputs' names.
        run: takes the inputs by name, with all requests' batches one after the other; returns the outputs, in order.
    """
    arrays = [
        [np.from_dlpack(pb_utils.get_input_tensor_by_name(request, name)) for name in inputs] for request in requests
    ]
    sizes = [row[0].shape[0] for row in arrays]
    feed = {
        name: np.ascontiguousarray(np.concatenate([row[i] for row in arrays]) if len(arrays) > 1 else arrays[0][i])
        for i, name in enumerate(inputs)
    }
    try:
        results = run(feed)
    except Exception as error:  # the server reports it to each caller, and the instance keeps running
        failed = pb_utils.TritonError(str(error))
        return [pb_utils.InferenceResponse(error=failed) for _ in requests]
    ends = np.cumsum(sizes)
    return [
        pb_utils.InferenceResponse(
            [
                _to_triton(name, np.ascontiguousarray(result[end - size : end]))
                for name, result in zip(outputs, results, strict=True)
            ]
        )
        for size, end in zip(sizes, ends, strict=True)
    ]


def _to_triton(name, array):
    """The array as a Triton tensor.

    The stub renames a DLPack capsule that it has consumed to `used_dlpack`; NumPy expects the specification's
    `used_dltensor` and would log a warning each time.
    """
    capsule = array.__dlpack__()
    tensor = pb_utils.Tensor.from_dlpack(name, capsule)
    _rename(capsule, _USED)
    return tensor
