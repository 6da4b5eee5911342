"""What `config.pbtxt` promises about a model, and whether a file keeps it."""

from dataclasses import dataclass
from pathlib import PurePath

import onnxruntime
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from orchestrator.errors import Refused

ONNX_TYPES = {
    "TYPE_UINT8": "tensor(uint8)", "TYPE_INT32": "tensor(int32)", "TYPE_INT64": "tensor(int64)",
    "TYPE_FP16": "tensor(float16)", "TYPE_FP32": "tensor(float)", "TYPE_BOOL": "tensor(bool)",
}  # fmt: skip
MODEL_FILES = {"onnxruntime": "model.onnx", "tensorrt": "model.plan"}


@dataclass(frozen=True)
class TensorSpec:
    """A named input or output; `shape` without the batch."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives, and the file that a version of it is made of."""

    name: str
    filename: str
    max_batch: int
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def read_signature(name: str, config: bytes) -> Signature:
    """The contract in a `config.pbtxt`. Raises Refused where it can't be read, or versions of it can't be published."""
    parsed = model_config_pb2.ModelConfig()
    try:
        text_format.Parse(config.decode(), parsed)
    except (text_format.ParseError, ValueError) as error:
        raise Refused(f"config.pbtxt of {name} can't be read: {error}") from error
    backend = parsed.backend or parsed.platform.removesuffix("_plan")
    if backend not in MODEL_FILES:
        raise Refused(f"{name} is no network but a part of the pipeline ({backend}): it has no versions to publish.")
    filename = parsed.default_model_filename or MODEL_FILES[backend]
    inputs, outputs = (
        tuple(TensorSpec(t.name, model_config_pb2.DataType.Name(t.data_type), tuple(t.dims)) for t in tensors)
        for tensors in (parsed.input, parsed.output)
    )
    return Signature(name, filename, parsed.max_batch_size, inputs, outputs)


def check_file(contract: Signature, filename: str, data: bytes) -> None:
    """Raises Refused with everything that differs. A TensorRT plan says nothing before a server has loaded it."""
    suffix, expected = PurePath(filename).suffix, PurePath(contract.filename).suffix
    if suffix != expected:
        raise Refused(f"{contract.name} is served from a {expected} file here, and this is {suffix or 'none'}.")
    if suffix != ".onnx":
        return
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise Refused(f"{filename} is no ONNX model that ONNX Runtime loads: {str(error).splitlines()[0]}") from error
    wrong = [
        *_differences("input", contract.inputs, session.get_inputs(), contract.max_batch, exact=True),
        *_differences("output", contract.outputs, session.get_outputs(), contract.max_batch, exact=False),
    ]
    if wrong:
        raise Refused(f"{filename} does not keep the contract of {contract.name}: {'; '.join(wrong)}.")


def _differences(
    kind: str, wanted: tuple[TensorSpec, ...], found: list[onnxruntime.NodeArg], max_batch: int, exact: bool
) -> list[str]:
    there = {arg.name: arg for arg in found}
    wrong = [f"it has an {kind} {name!r} too many" for name in there.keys() - {t.name for t in wanted} if exact]
    for tensor in wanted:
        arg = there.get(tensor.name)
        if arg is None:
            wrong.append(f"it has no {kind} {tensor.name!r} (there are: {', '.join(there) or 'none'})")
            continue
        if arg.type != ONNX_TYPES.get(tensor.dtype):
            wrong.append(f"{kind} {tensor.name!r} is {arg.type}, not {ONNX_TYPES.get(tensor.dtype, tensor.dtype)}")
        batch, shape = (arg.shape[:1], arg.shape[1:]) if max_batch else ([], arg.shape)
        if not _fits(shape, tensor.shape):
            wrong.append(f"{kind} {tensor.name!r} has the shape {arg.shape}, not {['batch', *tensor.shape]}")
        elif batch and isinstance(batch[0], int):
            wrong.append(f"{kind} {tensor.name!r} has a fixed batch of {batch[0]}; export it with a dynamic one")
    return wrong


def _fits(found: list[int | str | None], wanted: tuple[int, ...]) -> bool:
    """Whether sizes agree; one that the file leaves open is settled when it runs."""
    pairs = zip(found, wanted, strict=False)
    return len(found) == len(wanted) and all(not isinstance(have, int) or have == want for have, want in pairs)
