"""Smaller numbers: float16 for GPUs, INT8 for CPUs, each compared with the float32 network before it is written.

float16 ends at 65,504: a node whose values come near that on real input, or that makes NaN of them, stays float32.
On an x86 CPU, ONNX Runtime computes float16 networks in float32 between the casts, so only the rounding of the weights
shows in the comparison. What a GPU's own float16 arithmetic does, `irisvue models publish` sees on the golden set.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from onnxruntime.transformers.float16 import convert_float_to_float16

Images = NDArray[np.uint8]
LARGEST = 65_504.0 / 4  # a margin: other photos may reach further than those that are tried
ALLOWED = {"half": {"tile": 2.0, "image": 0.03}, "int8": {"tile": 12.0, "image": 0.25}}  # 999 of 1,000 values


class TooFar(Exception):
    """The smaller network does not answer like the float32 network; nothing was written, continue with float32."""


def half(source: Path, target: Path, images: Images, largest: float = LARGEST) -> tuple[list[str], float]:
    """Write `source` in float16, its ends unchanged; returns the nodes left in float32 and the difference.

    Args:
        source: a network with one uint8 input (N, S, S, 3).
        target: the float16 network; written only if it answers alike.
        images: (N, S, S, 3) uint8 to try it on.
        largest: nodes with values beyond this stay float32.

    Raises:
        TooFar: even so its answers differ, or are not numbers.
    """
    model = onnx.load(source)
    reached = ranges(model, images)
    float32_nodes = [
        node.name
        for node in model.graph.node
        if any(reached.get(tensor, 0.0) > largest for tensor in (*node.input, *node.output))
    ]
    smaller = convert_float_to_float16(model, keep_io_types=True, node_block_list=float32_nodes)
    _remove_needless_casts(smaller.graph, own={node.name for node in onnx.load(source).graph.node})
    return float32_nodes, _write_if_alike(smaller, source, target, images, "half")


def int8(source: Path, target: Path, images: Images) -> float:
    """Write `source` with its convolutions in INT8; returns the difference.

    The form is static QDQ: values u8, weights s8 with a scale for each channel. Half of `images`
    calibrate, the other half are compared.

    Raises:
        TooFar: its answers differ too much.
    """
    name = _session(source).get_inputs()[0].name
    prepared, part = target.with_suffix(".prepared"), target.with_suffix(".int8")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(part),
            _Calibration(name, images[: len(images) // 2]),
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            reduce_range=True,  # of weights, to 7 bits: processors without VNNI add products of 8 in 16 bits, and clip
            per_channel=True,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=_at_both_ends(onnx.load(source).graph),
        )
        return _write_if_alike(onnx.load(part), source, target, images[len(images) // 2 :], "int8")
    finally:
        prepared.unlink(missing_ok=True)
        part.unlink(missing_ok=True)


def _at_both_ends(graph: onnx.GraphProto) -> list[str]:
    """The convolutions that see the picture itself or make the answer, by name: rounding there can be seen."""
    channels = {weights.name: weights.dims[1] for weights in graph.initializer if len(weights.dims) > 1}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    picture = [node for node in convolutions if channels.get(node.input[1], 0) in (1, 3)]
    return [node.name for node in (*picture, *convolutions[-2:])]


def ranges(model: onnx.ModelProto, images: Images) -> dict[str, float]:
    """The largest absolute value that each float tensor takes on `images`; infinite where it is not a number."""
    probed = onnx.shape_inference.infer_shapes(model)
    floats = [v for v in probed.graph.value_info if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT]
    outputs = {output.name for output in probed.graph.output}
    probed.graph.output.extend(value for value in floats if value.name not in outputs)
    session = _session(probed.SerializeToString())
    names, largest = [output.name for output in session.get_outputs()], dict[str, float]()
    for image in images:
        answers = session.run(names, {session.get_inputs()[0].name: image[None]})
        for name, answer in zip(names, answers, strict=True):
            reach = float(np.abs(np.asarray(answer, np.float64)).max())
            largest[name] = max(largest.get(name, 0.0), reach if np.isfinite(reach) else float("inf"))
    return largest


def _remove_needless_casts(graph: onnx.GraphProto, own: set[str]) -> None:
    """Take out casts of the converter (all but `own`) that repeat one, or go to float16 and back between two nodes."""
    seen: set[str] = set()
    for node in list(graph.node):
        if seen.intersection(node.output):
            graph.node.remove(node)
        seen.update(node.output)
    casts = {node.output[0]: node for node in graph.node if node.op_type == "Cast" and node.name not in own}
    for node in graph.node:
        for at, name in enumerate(node.input):
            second = casts.get(name)
            to_float32 = second is not None and second.attribute[0].i == onnx.TensorProto.FLOAT
            first = casts.get(second.input[0]) if second is not None and to_float32 else None
            if first is not None and first.attribute[0].i == onnx.TensorProto.FLOAT16:
                node.input[at] = first.input[0]


class _Calibration(CalibrationDataReader):
    def __init__(self, name: str, images: Images) -> None:
        self.batches: Iterator[dict[str, Images]] = iter([{name: image[None]} for image in images])

    def get_next(self) -> dict[str, Images] | None:
        """The next input, None after the last."""
        return next(self.batches, None)


def _write_if_alike(model: onnx.ModelProto, source: Path, target: Path, images: Images, kind: str) -> float:
    """Write `model` to `target`, if it answers like `source`; returns within what 999 of 1,000 values differ.

    Raises:
        TooFar: it does not.
    """
    large, small = _session(source), _session(model.SerializeToString())
    pairs = list(zip(_answers(large, images), _answers(small, images), strict=True))
    if not all(np.isfinite(actual).all() for _, actual in pairs):
        raise TooFar(f"{source} has no {kind} version: some of its answers are not numbers. Continue with {source}.")
    difference = max(float(np.quantile(np.abs(expected - actual), 0.999)) for expected, actual in pairs)
    allowed = ALLOWED[kind][large.get_inputs()[0].name]
    if difference > allowed:
        raise TooFar(
            f"{source} has no {kind} version: its answers differ by {difference:.3g}, allowed {allowed:.3g}. "
            f"Continue with {source}."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, target)
    return difference


def _session(model: Path | bytes) -> onnxruntime.InferenceSession:
    path_or_bytes = str(model) if isinstance(model, Path) else model
    return onnxruntime.InferenceSession(path_or_bytes, providers=["CPUExecutionProvider"])


def _answers(session: onnxruntime.InferenceSession, images: Images) -> list[NDArray[np.float64]]:
    name = session.get_inputs()[0].name
    return [np.asarray(answer, np.float64) for answer in session.run(None, {name: images})]
