"""A candidate's file as it is read: weights that an exporter has put into a file beside it are put back into it."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError, Message

from orchestrator.errors import Refused
from orchestrator.inference.load_faults import ONE_FILE

if TYPE_CHECKING:
    from onnx import TensorProto

MAX_BYTES = 2**31 - 1  # of a protobuf message, which an ONNX file is


def read_network(path: Path) -> bytes:
    """The file's bytes. A network in two files, as torch writes it by default, becomes one; others stay as they are.

    Raises:
        Refused: a file of weights is missing, too short, or outside of the network's folder; or all is over 2 GB.
    """
    if path.suffix != ".onnx":
        return path.read_bytes()
    _check_size(path, path.stat().st_size)
    data = path.read_bytes()
    try:
        import onnx
    except ImportError:  # irisvue[server] has none; whoever loads the bytes then says what is missing
        return data
    try:
        model = onnx.load_model_from_string(data)
    except (DecodeError, ValueError):
        return data  # no ONNX file: also said by whoever loads it
    weights = {_weights_file(path, tensor) for tensor in _tensors(model) if tensor.data_location == tensor.EXTERNAL}
    if not weights:
        return data
    _check_size(path, len(data) + sum(file.stat().st_size for file in weights))
    try:
        onnx.load_external_data_for_model(model, str(path.parent))
    except (ValueError, onnx.checker.ValidationError, OSError) as error:
        names = ", ".join(sorted(file.name for file in weights))
        raise Refused(
            f"The weights of {path.name} can't be read from {names}: it is shorter than {path.name} says, or no "
            f"ordinary file. Copy both files again, or: {ONE_FILE}."
        ) from error
    return bytes(model.SerializeToString())


def _tensors(part: Message) -> Iterator["TensorProto"]:
    """Every tensor in a network, also those of subgraphs and functions."""
    if part.DESCRIPTOR.name == "TensorProto":
        yield part
        return
    for field, value in part.ListFields():
        if field.message_type is not None:
            for each in [value] if isinstance(value, Message) else value:
                yield from _tensors(each)


def _weights_file(path: Path, tensor: "TensorProto") -> Path:
    """The file that has the tensor's values. Raises Refused where it is missing or outside of the network's folder."""
    location = next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
    folder = path.parent.resolve()
    file = (folder / location).resolve()
    if not location or not file.is_relative_to(folder):
        raise Refused(
            f"{path.name} names {location!r} as the file of its weights, which is outside of its folder. {ONE_FILE}."
        )
    if not file.is_file():
        raise Refused(
            f"{path.name} keeps its weights in a second file, {location}, which is not beside it. Put it there, or: "
            f"{ONE_FILE}."
        )
    return file


def _check_size(path: Path, size_bytes: int) -> None:
    if size_bytes > MAX_BYTES:
        raise Refused(
            f"{path.name} has {size_bytes / 1e9:.1f} GB with its weights, and an ONNX file holds at most 2 GB. Use "
            "smaller numbers, such as float16."
        )
