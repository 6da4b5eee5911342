"""`python -m export publish` never overwrites a version."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch", reason="make test-export installs torch")

from export.cli import app  # noqa: E402
from export.networks.enhancers import SRVGGNetCompact  # noqa: E402


def publish(folder: Path, *words: str) -> tuple[int, str]:
    argv = ["publish", "realesrgan", "--side-px", "16", "--cache", str(folder), "--repository", str(folder / "models")]
    done = CliRunner().invoke(app, [*argv, *words])
    return done.exit_code, done.output


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.save(SRVGGNetCompact(8, 2, "bicubic").state_dict(), tmp_path / "realesrgan.pt")
    return tmp_path


def test_each_publication_is_a_new_version(folder: Path) -> None:
    model = folder / "models" / "realesrgan"
    for name in ("1", ".withdrawn-3"):
        (model / name).mkdir(parents=True)
        (model / name / "model.onnx").write_bytes(b"older")
    code, output = publish(folder)
    assert code == 0 and "realesrgan/4/model.onnx" in output, output
    assert (model / "1" / "model.onnx").read_bytes() == (model / ".withdrawn-3" / "model.onnx").read_bytes() == b"older"
    assert (model / "4" / "model.onnx").stat().st_size > 1_000


def test_out_names_the_file(folder: Path) -> None:
    out = folder / "candidate" / "model.onnx"
    for _ in range(2):
        code, output = publish(folder, "--out", str(out))
        assert code == 0 and str(out) in output.replace("\n", ""), output
    assert not (folder / "models").exists() and [path.name for path in out.parent.iterdir()] == ["model.onnx"]


def test_without_weights_it_says_what_to_do(tmp_path: Path) -> None:
    code, output = publish(tmp_path)
    assert code == 1 and "realesrgan.pt. Train it (train-unet, train-enhancer)" in " ".join(output.split())
    assert not (tmp_path / "models").exists()
