"""The configuration file that a server was started with is told by what the server says that it uses."""

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from orchestrator.config import ROOT
from orchestrator.publishing.served_config import matches

FOLDER = ROOT / "model_repository" / "iris_unet"
FILES = {path.name: path.read_bytes() for path in (FOLDER / "config.pbtxt", *(FOLDER / "configs").glob("*.pbtxt"))}
FILLED_IN = {name: "model.plan" if name == "gpu.pbtxt" else "model.onnx" for name in FILES}


def served(name: str) -> model_config_pb2.ModelConfig:
    """What a server makes of a file: what it leaves open is filled in."""
    config = text_format.Parse(FILES[name].decode(), model_config_pb2.ModelConfig())
    config.default_model_filename = FILLED_IN[name]
    config.platform = f"{config.backend}_filled_in"
    config.instance_group[0].name = "iris_unet_0"
    config.optimization.input_pinned_memory.enable = True
    return config


@pytest.mark.parametrize("name", FILES)
def test_each_shipped_configuration_is_told_from_the_others(name: str) -> None:
    assert [other for other, data in FILES.items() if matches(served(name), data)] == [name]


def test_another_file_name_or_value_is_another_configuration() -> None:
    config = served("config.pbtxt")
    assert not matches(config, FILES["config.pbtxt"] + b'default_model_filename: "other.onnx"')
    config.default_model_filename = "other.onnx"
    assert not matches(config, FILES["config.pbtxt"]), "without a name, a file means model.onnx"
    changed = FILES["config.pbtxt"].replace(b"count: 2", b"count: 3")
    assert changed != FILES["config.pbtxt"] and not matches(served("config.pbtxt"), changed)


@pytest.mark.parametrize("data", [b"", b"name: [", b"\xff", b'name: "x" platform: "ensemble"'])
def test_what_is_no_configuration_of_a_network_matches_nothing(data: bytes) -> None:
    assert not matches(served("config.pbtxt"), data)
