"""The shipped segmenter, changed so that something is wrong with it."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from orchestrator.config import ROOT

SHIPPED = (ROOT / "model_repository" / "iris_unet" / "1" / "model.onnx").read_bytes()


def _with(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], output: str) -> bytes:
    """The shipped graph with `output` computed by further nodes from `before`, which is what it was."""
    model = onnx.load_from_string(SHIPPED)
    for node in model.graph.node:
        node.output[:] = ["before" if name == output else name for name in node.output]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    return bytes(model.SerializeToString())


def _brightness() -> list[onnx.NodeProto]:
    """`bright`, (N, 1, 1, 1) float32: the mean of each picture."""
    return [
        helper.make_node("Cast", ["image"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats", "axes"], ["bright"], keepdims=1),
    ]


AXES = {"axes": np.array([1, 2, 3], np.int64)}


def nan_on(picture: np.ndarray) -> bytes:
    """A segmenter that answers NaN for this one picture (told by its mean), and is right on all others."""
    nodes = [
        *_brightness(),
        helper.make_node("Sub", ["bright", "wanted"], ["off"]),
        helper.make_node("Abs", ["off"], ["distance"]),
        helper.make_node("Less", ["distance", "near"], ["is_it"]),
        helper.make_node("Where", ["is_it", "nan", "before"], ["probabilities"]),
    ]
    wanted = np.array(picture.astype(np.float32).mean(), np.float32)
    constants = {"wanted": wanted, "near": np.array(2e-3, np.float32), "nan": np.array(np.nan, np.float32)}
    return _with(nodes, AXES | constants, "probabilities")


def slow(side: int = 1100, times: int = 5) -> bytes:
    """A segmenter that also multiplies large matrices, and then forgets the product."""
    nodes = [*_brightness(), helper.make_node("ReduceMax", ["bright"], ["scale"], keepdims=0)]
    nodes.append(helper.make_node("Mul", ["matrix", "scale"], ["m0"]))
    nodes += [helper.make_node("MatMul", [f"m{n}", "matrix"], [f"m{n + 1}"]) for n in range(times)]
    nodes += [
        helper.make_node("ReduceMax", [f"m{times}"], ["top"], keepdims=0),
        helper.make_node("Mul", ["top", "zero"], ["nothing"]),
        helper.make_node("Add", ["before", "nothing"], ["presence"]),
    ]
    matrix = np.random.default_rng(0).random((side, side)).astype(np.float32) / side
    return _with(nodes, AXES | {"matrix": matrix, "zero": np.array(0, np.float32)}, "presence")


def blind() -> bytes:
    """A segmenter that never sees an eye."""
    nodes = [helper.make_node("Mul", ["before", "zero"], ["presence"])]
    return _with(nodes, {"zero": np.array(0, np.float32)}, "presence")


def other(factor: float = 0.999) -> bytes:
    """A segmenter as good as the shipped one, with another file."""
    nodes = [helper.make_node("Mul", ["before", "factor"], ["presence"])]
    return _with(nodes, {"factor": np.array(factor, np.float32)}, "presence")
