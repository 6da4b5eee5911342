"""What ONNX Runtime refuses is said without its C++."""

import re
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import helper

from orchestrator.errors import Refused, SetupError
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.publishing.signature import check_file
from tests.unit.publishing.test_signature import network, signature

CPP = re.compile(r"ONNXRuntimeError|::|\.cc\b|\.h:|onnxruntime_src|std|protobuf|INVALID|FAIL")


def newer_format(model: onnx.ModelProto) -> None:
    model.ir_version = 99


def newer_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 99


def unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "Blur"


def foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.example"


def declared_foreign_operator(model: onnx.ModelProto) -> None:
    foreign_operator(model)
    model.opset_import.append(helper.make_opsetid("com.example", 1))


def loose_end(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[1] = "nothing"


def missing_input(model: onnx.ModelProto) -> None:
    model.graph.node[0].input.pop()


def empty(model: onnx.ModelProto) -> None:
    model.ClearField("graph")


def circle(model: onnx.ModelProto) -> None:
    node = model.graph.node[0]
    model.graph.node.append(helper.make_node("Identity", [node.output[0]], ["again"]))
    node.input[0] = "again"


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (newer_format, r"version 99 of the file format \(ir_version\), and ONNX Runtime [\d.]+ reads those up to \d+"),
        (newer_opset, r"opset 99, and ONNX Runtime [\d.]+ knows those up to \d+\. Export it with opset_version="),
        (unknown_operator, "uses the operator Blur, which opset 18 does not have"),
        (foreign_operator, r"does not have \(com\.example\)"),
        (declared_foreign_operator, r"does not have \(com\.example:Tile\)"),
        (loose_end, "takes 'nothing', which no other node makes"),
        (missing_input, "node of its operator Tile is not valid"),
        (empty, "damaged, cut off or something else"),
        (circle, "its graph is not valid"),
    ],
)
def test_what_is_wrong_is_said_in_words(spoil: Callable[[onnx.ModelProto], None], words: str) -> None:
    model = onnx.load_from_string(network())
    spoil(model)
    with pytest.raises(Refused, match=words) as refused:
        check_file(signature(), "model.onnx", model.SerializeToString())
    assert not CPP.search(refused.value.detail), refused.value.detail


def test_a_worker_that_can_not_load_its_network_says_which(tmp_path: Path) -> None:
    for name in ("iris_unet", "realesrgan"):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "1/model.onnx").write_bytes(network()[:100])
    with pytest.raises(SetupError, match=r"can't load .*iris_unet/1/model\.onnx: it is damaged"):
        OnnxInfer(tmp_path)
