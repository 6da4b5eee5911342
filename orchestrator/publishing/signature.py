"""The inputs and outputs of a network as its configuration states them, and whether a file matches them."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import onnxruntime
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from orchestrator.errors import Refused
from orchestrator.inference.load_faults import fault_of

ONNX_TYPES = {
    "TYPE_UINT8": "tensor(uint8)", "TYPE_INT32": "tensor(int32)", "TYPE_INT64": "tensor(int64)",
    "TYPE_FP16": "tensor(float16)", "TYPE_FP32": "tensor(float)", "TYPE_BOOL": "tensor(bool)",
}  # fmt: skip
ONNX, PLAN = ".onnx", ".plan"
KINDS = {"onnxruntime": ONNX, "openvino": ONNX, "tensorrt": PLAN}  # of the file that a backend reads, whatever its name
FATAL_ONLY = 4  # ONNX Runtime's log level; what is wrong is in its exception
WEIGHTS_FOLDER = "session.model_external_initializers_file_folder_path"


@dataclass(frozen=True)
class TensorSpec:
    """A named input or output; `shape` is without the batch."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Signature:
    """A model's inputs and outputs, and the name and kind (ONNX or PLAN) of the file that each of its versions has."""

    name: str
    filename: str
    kind: str
    max_batch: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def read_signature(name: str, config: bytes) -> Signature:
    """The signature in a `config.pbtxt`. Raises Refused where it can't be read, or as `signature_of`."""
    parsed = model_config_pb2.ModelConfig()
    try:
        text_format.Parse(config.decode(), parsed)
    except (text_format.ParseError, ValueError) as error:
        raise Refused(f"config.pbtxt of {name} can't be read: {error}") from error
    return signature_of(name, parsed)


def signature_of(name: str, config: Any) -> Signature:
    """The signature in a ModelConfig. Raises Refused where it describes no publishable network."""
    backend = config.backend or config.platform.removesuffix("_plan")
    if backend not in KINDS:
        raise Refused(f"{name} is not a network but a part of the pipeline ({backend}): it has no versions to publish.")
    kind = KINDS[backend]
    inputs, outputs = (
        tuple(TensorSpec(t.name, model_config_pb2.DataType.Name(t.data_type), tuple(t.dims)) for t in tensors)
        for tensors in (config.input, config.output)
    )
    filename = config.default_model_filename or f"model{kind}"
    return Signature(name, filename, kind, config.max_batch_size, inputs, outputs)


def check_file(signature: Signature, filename: str, data: bytes) -> None:
    """Raises Refused with every difference. A TensorRT plan is not checked: only a server can read it."""
    suffix = PurePath(filename).suffix
    if suffix not in (ONNX, signature.kind):
        raise Refused(f"{signature.name} is served from a {signature.kind} file, and {filename} is not one.")
    if suffix != ONNX:
        return
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL_ONLY
    options.add_session_config_entry(WEIGHTS_FOLDER, os.devnull)  # or it would look for them in the working directory
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise Refused(f"{filename} is not an ONNX model that ONNX Runtime can load: {fault_of(error)}.") from error
    max_batch = signature.max_batch
    differences = [
        *_extra_inputs(signature.inputs, session.get_inputs()),
        *_differences("input", signature.inputs, session.get_inputs(), max_batch),
        *_differences("output", signature.outputs, session.get_outputs(), max_batch),
    ]
    if differences:
        raise Refused(f"{filename} does not match the signature of {signature.name}: {'; '.join(differences)}.")


def _extra_inputs(specs: Sequence[TensorSpec], args: Sequence[onnxruntime.NodeArg]) -> list[str]:
    known = {spec.name for spec in specs}
    return [f"it has an extra input {arg.name!r}" for arg in args if arg.name not in known]


def _differences(
    kind: str, specs: Sequence[TensorSpec], args: Sequence[onnxruntime.NodeArg], max_batch: int
) -> list[str]:
    by_name = {arg.name: arg for arg in args}
    differences = []
    for spec in specs:
        arg = by_name.get(spec.name)
        if arg is None:
            differences.append(f"it has no {kind} {spec.name!r} (there are: {', '.join(by_name) or 'none'})")
            continue
        if arg.type != ONNX_TYPES.get(spec.dtype):
            differences.append(f"{kind} {spec.name!r} is {arg.type}, not {ONNX_TYPES.get(spec.dtype, spec.dtype)}")
        batch, shape = (arg.shape[:1], arg.shape[1:]) if max_batch else ([], arg.shape)
        if not _fits(shape, spec.shape):
            differences.append(f"{kind} {spec.name!r} has the shape {arg.shape}, not {['batch', *spec.shape]}")
        elif batch and isinstance(batch[0], int):
            differences.append(f"{kind} {spec.name!r} has a fixed batch of {batch[0]}; export it with a dynamic one")
    return differences


def _fits(shape: Sequence[int | str | None], wanted: Sequence[int]) -> bool:
    """Whether the sizes agree; a size that the file leaves open always does."""
    pairs = zip(shape, wanted, strict=False)
    return len(shape) == len(wanted) and all(not isinstance(size, int) or size == want for size, want in pairs)
