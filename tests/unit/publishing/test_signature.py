"""A file that does not match the signature in config.pbtxt is refused, and every difference is named."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from orchestrator.config import ROOT
from orchestrator.errors import Refused
from orchestrator.publishing.signature import Signature, check_file, read_signature

REPOSITORY = ROOT / "model_repository"


def signature(model: str = "realesrgan") -> Signature:
    return read_signature(model, (REPOSITORY / model / "config.pbtxt").read_bytes())


def network(
    input_name: str = "tile",
    output_name: str = "enhanced",
    dtype: int = TensorProto.UINT8,
    side: int | str = 256,
    batch: int | str = "batch",
) -> bytes:
    """An ONNX network that only repeats its tile."""
    inputs = [helper.make_tensor_value_info(input_name, dtype, [batch, side, side, 3])]
    large = side * 4 if isinstance(side, int) else "large"
    outputs = [helper.make_tensor_value_info(output_name, dtype, [batch, large, large, 3])]
    repeats = helper.make_tensor("repeats", TensorProto.INT64, [4], [1, 4, 4, 1])
    graph = helper.make_graph(
        [helper.make_node("Tile", [input_name, "repeats"], [output_name])], "g", inputs, outputs, [repeats]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    model.ir_version = 9
    return bytes(model.SerializeToString())


def test_shipped_networks_match_their_signatures() -> None:
    for model in ("iris_unet", "realesrgan"):
        check_file(signature(model), "model.onnx", (REPOSITORY / model / "1" / "model.onnx").read_bytes())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (network(input_name="picture"), "no input 'tile' \\(there are: picture\\)"),
        (network(output_name="large"), "no output 'enhanced'"),
        (network(dtype=TensorProto.FLOAT), "tensor\\(float\\), not tensor\\(uint8\\)"),
        (network(side=128), "shape"),
        (network(batch=1), "fixed batch of 1"),
        (b"not a model", "not an ONNX model"),
        (b"", "not an ONNX model"),
    ],
)
def test_each_difference_is_named(data: bytes, words: str) -> None:
    with pytest.raises(Refused, match=words):
        check_file(signature(), "model.onnx", data)


def test_sizes_that_a_file_leaves_open_match_any() -> None:
    check_file(signature(), "model.onnx", network(side="side"))


def test_the_file_must_be_of_the_kind_that_is_served() -> None:
    with pytest.raises(Refused, match=r"served from a \.onnx file, and model\.plan is not one"):
        check_file(signature(), "model.plan", b"")


def test_parts_that_are_not_networks_have_no_versions() -> None:
    with pytest.raises(Refused, match="not a network"):
        signature("iris_preview")
    with pytest.raises(Refused, match="can't be read"):
        read_signature("x", b"name: [")


def test_the_network_of_these_tests_is_valid(tmp_path: Path) -> None:
    onnx.checker.check_model(onnx.load_from_string(network()))
