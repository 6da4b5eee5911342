"""Smaller numbers: float16 for GPUs, INT8 for CPUs, each held against the float32 network before it is written.

float16 ends at 65,504: a node whose numbers come near that on real input, or that makes a NaN of them, stays float32.
ONNX Runtime on an x86 CPU computes float16 networks in float32 between the casts, so what is compared here is the
rounded weights; what a GPU's own float16 arithmetic does, `irisvue models publish` sees on the golden set.
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
LARGEST = 65_504.0 / 4  # a margin: other photos reach further than those it is tried on
ALLOWED = {"half": {"tile": 2.0, "image": 0.03}, "int8": {"tile": 12.0, "image": 0.25}}  # 999 of 1,000 values


class TooFar(Exception):
    """The smaller network's answers are not the float32 network's; nothing was written, go on with float32."""


def _session(model: Path | bytes) -> onnxruntime.InferenceSession:
    given = str(model) if isinstance(model, Path) else model
    return onnxruntime.InferenceSession(given, providers=["CPUExecutionProvider"])


def _answers(session: onnxruntime.InferenceSession, images: Images) -> list[NDArray[np.float64]]:
    name = session.get_inputs()[0].name
    return [np.asarray(a, np.float64) for a in session.run(None, {name: images})]


def ranges(model: onnx.ModelProto, images: Images) -> dict[str, float]:
    """The largest absolute value that each float tensor takes on `images`; infinite where it is not a number."""
    probed = onnx.shape_inference.infer_shapes(model)
    floats = [v for v in probed.graph.value_info if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT]
    known = {o.name for o in probed.graph.output}
    probed.graph.output.extend(v for v in floats if v.name not in known)
    session = _session(probed.SerializeToString())
    names, largest = [o.name for o in session.get_outputs()], dict[str, float]()
    for image in images:
        answers = session.run(names, {session.get_inputs()[0].name: image[None]})
        for name, answer in zip(names, answers, strict=True):
            reach = float(np.abs(np.asarray(answer, np.float64)).max())
            largest[name] = max(largest.get(name, 0.0), reach if np.isfinite(reach) else float("inf"))
    return largest


def half(source: Path, target: Path, images: Images) -> tuple[list[str], float]:
    """Write `source` in float16, its ends unchanged; returns the nodes left in float32 and the largest difference.

    Args:
        source: a network with one uint8 input (N, S, S, 3).
        target: where the smaller one goes; there only if it is good.
        images: (N, S, S, 3) uint8 it is tried on.

    Raises:
        TooFar: even so its answers differ, or are not numbers.
    """
    model = onnx.load(source)
    largest = ranges(model, images)
    kept = [
        node.name
        for node in model.graph.node
        if any(largest.get(tensor, 0.0) > LARGEST for tensor in (*node.input, *node.output))
    ]
    smaller = convert_float_to_float16(model, keep_io_types=True, node_block_list=kept)
    _mend_casts(smaller.graph, {node.name for node in onnx.load(source).graph.node})
    return kept, _write(smaller, source, target, images, "half")


def _mend_casts(graph: onnx.GraphProto, own: set[str]) -> None:
    """Take out the converter's clumsy casts (all but `own`): there and back between two float32 nodes, and repeated."""
    seen: set[str] = set()
    for node in list(graph.node):
        if seen.intersection(node.output):
            graph.node.remove(node)
        seen.update(node.output)
    casts = {node.output[0]: node for node in graph.node if node.op_type == "Cast" and node.name not in own}
    for node in graph.node:
        for at, name in enumerate(node.input):
            back = casts.get(name)
            there = casts.get(back.input[0]) if back and back.attribute[0].i == onnx.TensorProto.FLOAT else None
            if there and there.attribute[0].i == onnx.TensorProto.FLOAT16:
                node.input[at] = there.input[0]


def int8(source: Path, target: Path, images: Images) -> float:
    """Write `source` with its convolutions in INT8 (static QDQ, u8 values, s8 weights a channel).

    Half of `images` calibrate, the other half are compared.

    Raises:
        TooFar: its answers differ too much.
    """
    name = _session(source).get_inputs()[0].name
    grouped = [n.name for n in onnx.load(source).graph.node if any(a.name == "group" and a.i > 1 for a in n.attribute)]
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
            per_channel=True,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=grouped,  # the enlarged picture itself must not be rounded
        )
        return _write(onnx.load(part), source, target, images[len(images) // 2 :], "int8")
    finally:
        prepared.unlink(missing_ok=True)
        part.unlink(missing_ok=True)


class _Calibration(CalibrationDataReader):
    def __init__(self, name: str, images: Images) -> None:
        self.batches: Iterator[dict[str, Images]] = iter([{name: image[None]} for image in images])

    def get_next(self) -> dict[str, Images] | None:
        """The next input, None after the last."""
        return next(self.batches, None)


def _write(model: onnx.ModelProto, source: Path, target: Path, images: Images, kind: str) -> float:
    large, small = _session(source), _session(model.SerializeToString())
    pairs = list(zip(_answers(large, images), _answers(small, images), strict=True))
    if not all(np.isfinite(found).all() for _, found in pairs):
        raise TooFar(f"{source} has no {kind} version: some of its answers are not numbers. Go on with {source}.")
    difference = max(float(np.quantile(np.abs(want - found), 0.999)) for want, found in pairs)
    allowed = ALLOWED[kind][large.get_inputs()[0].name]
    if difference > allowed:
        raise TooFar(
            f"{source} has no {kind} version: its answers differ by {difference:.3g}, allowed {allowed:.3g}. "
            f"Go on with {source}."
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, target)
    return difference
