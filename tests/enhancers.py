"""Small ×4 networks: one that may be published as perceptual, and one for each reason to refuse it."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE_PX, LARGE_PX = 64, 256  # small, so that tests are quick
Node = onnx.NodeProto


def _network(
    nodes: list[Node],
    constants: dict[str, np.ndarray],
    scale: float = 4.0,
    mode: str = "cubic",
    side_px: int = SIDE_PX,
) -> bytes:
    """`tile` enlarged is `enlarged`, (N, 3, 4T, 4T) float32 of 0–255; `nodes` make `picture` of it."""
    constants = {"scales": np.array([1, 1, scale, scale], np.float32), **constants}
    before = [
        helper.make_node("Cast", ["tile"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Resize", ["planes", "", "scales"], ["enlarged"], mode=mode),
    ]
    after = [
        helper.make_node("Round", ["picture"], ["rounded"]),
        helper.make_node("Max", ["rounded", "zero"], ["positive"]),
        helper.make_node("Min", ["positive", "most"], ["clipped"]),
        helper.make_node("Transpose", ["clipped"], ["pixels"], perm=[0, 2, 3, 1]),
        helper.make_node("Cast", ["pixels"], ["enhanced"], to=TensorProto.UINT8),
    ]
    constants |= {"zero": np.array(0, np.float32), "most": np.array(255, np.float32)}
    inputs = [helper.make_tensor_value_info("tile", TensorProto.UINT8, ["batch", side_px, side_px, 3])]
    outputs = [helper.make_tensor_value_info("enhanced", TensorProto.UINT8, ["batch", "height", "width", 3])]
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph([*before, *nodes, *after], "g", inputs, outputs, stored)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    return bytes(model.SerializeToString())


def _filter(kernel: np.ndarray, source: str, target: str, name: str = "kernel") -> tuple[Node, dict[str, np.ndarray]]:
    """Each channel convolved with the kernel, at the same size."""
    weights = np.tile(kernel.astype(np.float32)[None, None], (3, 1, 1, 1))
    pads = [(side - 1) // 2 for side in kernel.shape] + [side // 2 for side in kernel.shape]
    return helper.make_node("Conv", [source, name], [target], group=3, pads=pads), {name: weights}


BOX = np.full((5, 5), 1 / 25)
SHARPEN = -0.6 * BOX
SHARPEN[2, 2] += 1.6


def _sharp(target: str = "picture") -> tuple[list[Node], dict[str, np.ndarray]]:
    node, kernel = _filter(SHARPEN, "enlarged", target, "sharpen")
    return [node], kernel


def _sharp_plus(plane: np.ndarray) -> bytes:
    """The good network's picture with this added to it."""
    nodes, constants = _sharp("sharp")
    return _network(
        [*nodes, helper.make_node("Add", ["sharp", "plane"], ["picture"])],
        constants | {"plane": plane.astype(np.float32)},
    )


def cubic() -> bytes:
    """Interpolation: what the candidates are compared with."""
    return _network([helper.make_node("Identity", ["enlarged"], ["picture"])], {})


def good(side_px: int = SIDE_PX, strength: float = 0.6) -> bytes:
    """Cubic, then sharpened: more detail, and true to the tile."""
    kernel = -strength * BOX
    kernel[2, 2] += 1 + strength
    node, constants = _filter(kernel, "enlarged", "picture")
    return _network([node], constants, side_px=side_px)


def cast(levels: float = 3.0) -> bytes:
    """Redder."""
    return _sharp_plus(np.array([levels, 0, 0]).reshape(1, 3, 1, 1))


def lighter(levels: float = 8.0) -> bytes:
    """Lighter."""
    return _sharp_plus(np.array(levels).reshape(1, 1, 1, 1))


def shifted(px: int = 2) -> bytes:
    """To the right by so many pixels of the result; two are half a pixel of the tile."""
    kernel = np.zeros((1, 2 * px + 1))
    kernel[0, 0] = 1
    nodes, constants = _sharp("sharp")
    move, weights = _filter(kernel, "sharp", "picture")
    return _network([*nodes, move], constants | weights)


def sloping(levels: float = 4.0) -> bytes:
    """Darker on the left of each tile and lighter on its right: neighbours do not fit."""
    return _sharp_plus(np.linspace(-levels, levels, LARGE_PX).reshape(1, 1, 1, -1))


def woven(levels: float = 3.0) -> bytes:
    """A fine pattern everywhere, which averages to nothing."""
    return _sharp_plus(levels * (-1.0) ** np.add.outer(np.arange(LARGE_PX), np.arange(LARGE_PX))[None, None])


def holed(above: float = 200.0) -> bytes:
    """NaN where it is bright."""
    nodes, constants = _sharp("sharp")
    nodes += [
        helper.make_node("Greater", ["sharp", "above"], ["bright"]),
        helper.make_node("Where", ["bright", "nan", "sharp"], ["picture"]),
    ]
    return _network(nodes, constants | {"above": np.array(above, np.float32), "nan": np.array(np.nan, np.float32)})


def smooth() -> bytes:
    """Softer."""
    node, constants = _filter(BOX, "enlarged", "picture")
    return _network([node], constants, mode="linear")


def posterised(levels: float = 48.0) -> bytes:
    """A few colours only."""
    nodes = [
        helper.make_node("Div", ["enlarged", "step"], ["steps"]),
        helper.make_node("Round", ["steps"], ["whole"]),
        helper.make_node("Mul", ["whole", "step"], ["picture"]),
    ]
    return _network(nodes, {"step": np.array(levels, np.float32)})


def too_small() -> bytes:
    """Enlarges three times only."""
    nodes, constants = _sharp()
    return _network(nodes, constants, scale=3.0)
