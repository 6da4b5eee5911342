"""float16 and INT8: they answer like float32, or no file is written."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from typer.testing import CliRunner

pytest.importorskip("torch", reason="make test-export installs torch")

from export.cli import app
from export.conversion import precision
from export.drawing import eyes

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def images() -> precision.Images:
    return np.stack([eyes.draw(9_710_000 + n, 256, 256, "closeup").image for n in range(4)])


def _network(path: Path, factor: float) -> Path:
    """Brightness times `factor` and times its reciprocal: (N, 256, 256, 3) uint8 at both ends."""
    shape: list[str | int | None] = ["batch", 256, 256, 3]
    nodes = [
        helper.make_node("Cast", ["tile"], ["light"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", ["light", "factor"], ["large"], "enlarge"),
        helper.make_node("Mul", ["large", "reciprocal"], ["restored"], "shrink"),
        helper.make_node("Add", ["restored", "half"], ["shifted"], "shift"),
        helper.make_node("Cast", ["shifted"], ["enhanced"], "bytes", to=TensorProto.UINT8),
    ]
    values = {"factor": factor, "reciprocal": 1 / factor, "half": 0.5}
    constants = [helper.make_tensor(name, TensorProto.FLOAT, [1], [value]) for name, value in values.items()]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("tile", TensorProto.UINT8, shape)],
        [helper.make_tensor_value_info("enhanced", TensorProto.UINT8, shape)],
        constants,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


@pytest.mark.parametrize("kind", ["half", "int8"])
@pytest.mark.parametrize("name", ["iris_unet", "realesrgan"])
def test_a_smaller_network_answers_the_same(name: str, kind: str, tmp_path: Path) -> None:
    large = ROOT / "model_repository" / name / "1" / "model.onnx"
    done = CliRunner().invoke(app, ["smaller", name, kind, "--out", str(tmp_path), "--count", "6"])
    assert done.exit_code == 0, done.output
    small = tmp_path / "model.onnx"
    assert [p.name for p in tmp_path.iterdir()] == ["model.onnx"]
    assert small.stat().st_size < 0.6 * large.stat().st_size
    sessions = [onnxruntime.InferenceSession(str(p), providers=["CPUExecutionProvider"]) for p in (large, small)]
    signatures = [[(v.name, v.type, v.shape) for v in (*s.get_inputs(), *s.get_outputs())] for s in sessions]
    assert signatures[0] == signatures[1], "Triton's config fits both"


def test_numbers_beyond_float16_stay_float32(images: precision.Images, tmp_path: Path) -> None:
    float32_nodes, difference = precision.half(_network(tmp_path / "in.onnx", 1e6), tmp_path / "out.onnx", images)
    assert float32_nodes == ["enlarge", "shrink"] and difference <= 1


def test_no_file_where_the_answers_differ(images: precision.Images, tmp_path: Path) -> None:
    source, target = _network(tmp_path / "in.onnx", 1e6), tmp_path / "out.onnx"
    with pytest.raises(precision.TooFar, match="Continue with"):
        precision.half(source, target, images, largest=float("inf"))  # without the check of the range
    assert not target.exists()


def test_wrong_arguments_are_explained(tmp_path: Path) -> None:
    for argv, words in ((["iris_unet", "int4"], "half or int8"), (["other", "half"], "does not exist")):
        done = CliRunner().invoke(app, ["smaller", *argv, "--out", str(tmp_path / "out")])
        assert done.exit_code == 2 and words in done.output.replace("\n", " ")
    assert not (tmp_path / "out").exists()
