"""A file that does not keep what config.pbtxt promises is refused, and every difference is named."""

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from orchestrator.config import ROOT
from orchestrator.errors import Refused
from orchestrator.publishing.signature import Signature, check_file, read_signature

REPOSITORY = ROOT / "model_repository"


def contract(model: str = "realesrgan") -> Signature:
    return read_signature(model, (REPOSITORY / model / "config.pbtxt").read_bytes())


def network(
    given: str = "tile",
    taken: str = "enhanced",
    dtype: int = TensorProto.UINT8,
    side: int | str = 256,
    batch: int | str = "batch",
) -> bytes:
    """A network that only repeats its tile."""
    inputs = [helper.make_tensor_value_info(given, dtype, [batch, side, side, 3])]
    large = side * 4 if isinstance(side, int) else "large"
    outputs = [helper.make_tensor_value_info(taken, dtype, [batch, large, large, 3])]
    repeats = helper.make_tensor("repeats", TensorProto.INT64, [4], [1, 4, 4, 1])
    graph = helper.make_graph([helper.make_node("Tile", [given, "repeats"], [taken])], "g", inputs, outputs, [repeats])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    made.ir_version = 9
    return bytes(made.SerializeToString())


def test_shipped_networks_keep_their_contracts() -> None:
    for model in ("iris_unet", "realesrgan"):
        check_file(contract(model), "model.onnx", (REPOSITORY / model / "1" / "model.onnx").read_bytes())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (network(given="picture"), "no input 'tile' \\(there are: picture\\)"),
        (network(taken="large"), "no output 'enhanced'"),
        (network(dtype=TensorProto.FLOAT), "tensor\\(float\\), not tensor\\(uint8\\)"),
        (network(side=128), "shape"),
        (network(batch=1), "fixed batch of 1"),
        (b"not a model", "no ONNX model"),
        (b"", "no ONNX model"),
    ],
)
def test_what_differs_is_named(data: bytes, words: str) -> None:
    with pytest.raises(Refused, match=words):
        check_file(contract(), "model.onnx", data)


def test_sizes_that_a_file_leaves_open_are_settled_when_it_runs() -> None:
    check_file(contract(), "model.onnx", network(side="side"))


def test_the_kind_of_file_must_be_the_one_that_is_served() -> None:
    with pytest.raises(Refused, match=r"served from a \.onnx file here, and this is \.plan"):
        check_file(contract(), "model.plan", b"")


def test_parts_that_are_no_networks_have_no_versions() -> None:
    with pytest.raises(Refused, match="no network"):
        contract("iris_preview")
    with pytest.raises(Refused, match="can't be read"):
        read_signature("x", b"name: [")


def test_onnx_is_what_the_test_thinks(tmp_path: Path) -> None:
    onnx.checker.check_model(onnx.load_from_string(network()))
