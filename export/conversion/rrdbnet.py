"""RRDBNet as ONNX, written node by node: it needs no torch, and takes a second; torch's exporter over half a minute.

The nodes are those of `export/networks/enhancers.py`; a test compares the two.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, helper, numpy_helper

from export.networks.ncnn import Weights

OPSET = 18
IR_VERSION = 10  # onnx's own default can be newer than what ONNX Runtime reads
SCALE = 4
SLOPE = 0.2  # of the leaky ReLU
RESIDUAL = 0.2  # by which a block's answer is scaled before it is added to the block's input


class _Graph:
    """A growing list of nodes and of the numbers that they use. Every method adds a node and returns its output."""

    def __init__(self, weights: Weights) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.numbers: list[onnx.TensorProto] = [numpy_helper.from_array(v, name) for name, v in weights.items()]

    def constant(self, name: str, value: ArrayLike) -> str:
        self.numbers.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        output = output or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], output, **attributes))
        return output

    def convolution(self, x: str, name: str) -> str:
        return self.node("Conv", x, f"{name}.weight", f"{name}.bias", kernel_shape=[3, 3], pads=[1, 1, 1, 1])

    def activated(self, x: str, name: str) -> str:
        return self.node("LeakyRelu", self.convolution(x, name), alpha=SLOPE)

    def doubled(self, x: str) -> str:
        modes = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.node("Resize", x, "", "double", **modes)

    def plus_residual(self, x: str, answer: str) -> str:
        return self.node("Add", x, self.node("Mul", answer, "residual"))

    def dense_block(self, x: str, name: str) -> str:
        known = x
        for number in range(1, 5):
            known = self.node("Concat", known, self.activated(known, f"{name}.conv{number}"), axis=1)
        return self.plus_residual(x, self.convolution(known, f"{name}.conv5"))


def model(weights: Weights, side_px: int) -> onnx.ModelProto:
    """The network as it is served: `tile` uint8 (N, S, S, 3) → `enhanced` uint8 (N, 4S, 4S, 3), clipped and rounded.

    Args:
        weights: of RRDBNet of any size, float32, under the names of its state dictionary.
        side_px: S.
    """
    graph = _Graph(weights)
    graph.constant("residual", RESIDUAL)
    graph.constant("double", [1, 1, 2, 2])
    graph.constant("white", 255)
    floats = graph.node("Cast", graph.node("Transpose", "tile", perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)
    picture = _network(graph, graph.node("Div", floats, "white"), blocks=_blocks(weights))
    limits = graph.constant("black", 0), graph.constant("one", 1)
    grey = graph.node("Round", graph.node("Mul", graph.node("Clip", picture, *limits), "white"))
    graph.node("Cast", graph.node("Transpose", grey, perm=[0, 2, 3, 1]), output="enhanced", to=TensorProto.UINT8)
    ends = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, ["batch", side, side, 3])
        for name, side in (("tile", side_px), ("enhanced", SCALE * side_px))
    ]
    made = helper.make_graph(graph.nodes, "realesrgan", ends[:1], ends[1:], graph.numbers)
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(made, opset_imports=opset, ir_version=IR_VERSION, producer_name="irisvue")


def _network(graph: _Graph, x: str, blocks: int) -> str:
    first = inner = graph.convolution(x, "conv_first")
    for block in range(blocks):
        answer = inner
        for dense in (1, 2, 3):
            answer = graph.dense_block(answer, f"body.{block}.rdb{dense}")
        inner = graph.plus_residual(inner, answer)
    x = graph.node("Add", first, graph.convolution(inner, "conv_body"))
    for name in ("conv_up1", "conv_up2"):
        x = graph.activated(graph.doubled(x), name)
    return graph.convolution(graph.activated(x, "conv_hr"), "conv_last")


def _blocks(weights: Weights) -> int:
    return len({name.split(".")[1] for name in weights if name.startswith("body.")})


def write(weights: Weights, target: Path, side_px: int) -> None:
    """Write `target`, after checking that it is valid ONNX."""
    network = model(weights, side_px)
    onnx.checker.check_model(network)
    onnx.save(network, target)
