"""A network in two files is read as one; whatever keeps that from working is said, with what to do."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper
from typer.testing import CliRunner

from orchestrator.cli import app
from orchestrator.errors import Refused
from orchestrator.publishing.onnx_file import read_network
from orchestrator.publishing.signature import check_file
from tests.unit.publishing.test_signature import network, signature

WEIGHTS = np.arange(6000, dtype=np.float32)
HOW = r"torch\.onnx\.export\(\.\.\., external_data=False\)"


def with_weights() -> onnx.ModelProto:
    """The repeating network; it also has weights, as an initializer and inside a branch, which it does not use."""
    model = onnx.load_from_string(network())
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["inner"], value=numpy_helper.from_array(WEIGHTS, "inner"))],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", onnx.TensorProto.FLOAT, [len(WEIGHTS)])],
    )
    yes = numpy_helper.from_array(np.array(True), "yes")
    model.graph.initializer.extend([numpy_helper.from_array(WEIGHTS, "weights"), yes])
    model.graph.node.append(helper.make_node("If", ["yes"], ["kept"], then_branch=branch, else_branch=branch))
    return model


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A network whose weights are in a file beside it, as torch writes it unless told otherwise."""
    path = tmp_path / "model.onnx"
    onnx.save_model(
        with_weights(),
        path,
        save_as_external_data=True,
        location="model.onnx.data",
        size_threshold=0,
        convert_attribute=True,
    )
    assert path.stat().st_size < WEIGHTS.nbytes < (tmp_path / "model.onnx.data").stat().st_size
    return path


def place_weights_at(path: Path, location: str) -> None:
    """Change where the network says that its weights are."""
    model = onnx.load(path, load_external_data=False)
    for entry in model.graph.initializer[-1].external_data:
        if entry.key == "location":
            entry.value = location
    path.write_bytes(model.SerializeToString())


def test_weights_beside_the_file_are_put_into_it(saved: Path, tmp_path: Path) -> None:
    data = read_network(saved)
    (tmp_path / "model.onnx.data").unlink()
    check_file(signature(), "model.onnx", data)
    model = onnx.load_from_string(data)
    kept = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert np.array_equal(kept["weights"], WEIGHTS)
    tile = np.random.default_rng(0).integers(0, 256, (1, 256, 256, 3)).astype(np.uint8)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert np.array_equal(session.run(["enhanced"], {"tile": tile})[0][:, :256, :256], tile)


def test_other_files_are_read_as_they_are(tmp_path: Path) -> None:
    for name, data in (
        ("model.onnx", network()),
        ("model.plan", b"a plan"),
        ("model.onnx", b"no network"),
        ("m.onnx", b""),
    ):
        (tmp_path / name).write_bytes(data)
        assert read_network(tmp_path / name) == data


def missing(folder: Path) -> None:
    (folder / "model.onnx.data").unlink()


def cut_off(folder: Path) -> None:
    (folder / "model.onnx.data").write_bytes(b"half")


def a_folder(folder: Path) -> None:
    missing(folder)
    (folder / "model.onnx.data").mkdir()


def huge(folder: Path) -> None:
    with (folder / "model.onnx.data").open("r+b") as file:
        file.truncate(3 * 2**30)  # takes no room


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (missing, rf"in a second file, model\.onnx\.data, which is not beside it\. .*{HOW}"),
        (cut_off, rf"can't be read from model\.onnx\.data: it is shorter .*{HOW}"),
        (a_folder, "which is not beside it"),
        (huge, r"has 3\.2 GB with its weights, and an ONNX file holds at most 2 GB"),
    ],
)
def test_weights_that_can_not_be_read_are_named(saved: Path, spoil: Callable[[Path], None], words: str) -> None:
    spoil(saved.parent)
    with pytest.raises(Refused, match=words):
        read_network(saved)


def test_a_network_that_is_too_large_by_itself_is_not_read(tmp_path: Path) -> None:
    huge_file = tmp_path / "model.onnx"
    with huge_file.open("wb") as file:
        file.truncate(2**31)
    with pytest.raises(Refused, match=r"has 2\.1 GB"):
        read_network(huge_file)


@pytest.mark.parametrize("location", ["../secret", "/etc/hostname", "sub/../../secret", "link", ""])
def test_nothing_outside_of_its_folder_is_read(saved: Path, tmp_path: Path, location: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "secret").write_bytes(WEIGHTS.tobytes() * 2)
    (inner / "link").symlink_to(tmp_path / "secret")
    for file in (saved, tmp_path / "model.onnx.data"):
        file.rename(inner / file.name)
    place_weights_at(inner / "model.onnx", location)
    with pytest.raises(Refused, match="outside of its folder"):
        read_network(inner / "model.onnx")


def test_bytes_alone_take_no_weights_from_the_working_directory(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(saved.parent)
    with pytest.raises(Refused, match=f"in another file.*{HOW}"):
        check_file(signature(), "model.onnx", saved.read_bytes())


def test_the_command_says_so_before_it_looks_for_a_server(saved: Path, tmp_path: Path) -> None:
    missing(tmp_path)
    (tmp_path / "MODEL.md").write_text("A network.\n")
    argv = ["models", "publish", "realesrgan", str(saved), "--card", str(tmp_path / "MODEL.md")]
    done = CliRunner().invoke(app, argv)
    assert done.exit_code == 1 and "which is not beside it" in done.stderr and "Traceback" not in done.stderr
