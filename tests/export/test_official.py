"""Published weights: only the right file, of the right network, becomes a candidate; nothing is left of a wrong one."""

import hashlib
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch", reason="make test-export installs torch")

from export.cli import app  # noqa: E402
from export.networks import official  # noqa: E402
from export.networks.enhancers import RRDBNet, SRVGGNetCompact  # noqa: E402
from export.networks.errors import WrongWeights  # noqa: E402
from export.networks.official import GENERAL, WEAK_DENOISE, Official  # noqa: E402
from tests.serving import served  # noqa: E402

PLUS = "RealESRGAN_x4plus.pth"
MAKE: dict[str, Callable[[], RRDBNet | SRVGGNetCompact]] = {
    PLUS: lambda: RRDBNet(8, 1, 4),
    GENERAL: lambda: SRVGGNetCompact(8, 2),
    WEAK_DENOISE: lambda: SRVGGNetCompact(8, 2),
}
KEY = {PLUS: "params_ema", GENERAL: "params", WEAK_DENOISE: "params"}


def _published(path: Path, url: str = "https://published.test/file") -> dict[str, Official]:
    """The file at `path` as the one that is published under its name."""
    data = path.read_bytes()
    return {path.name: Official(url, len(data), hashlib.sha256(data).hexdigest(), MAKE[path.name])}


@dataclass(frozen=True)
class Published:
    """Small networks of the right kinds in `folder`, as `files` that are published under the official names."""

    folder: Path
    files: dict[str, Official]

    def path(self, name: str) -> Path:
        return self.folder / name


@pytest.fixture
def published(tmp_path: Path) -> Published:
    torch.manual_seed(1)
    files: dict[str, Official] = {}
    for name, make in MAKE.items():
        torch.save({KEY[name]: make().state_dict()}, tmp_path / name)
        files |= _published(tmp_path / name)
    return Published(tmp_path, files)


def test_rrdbnet_has_the_official_names_and_size() -> None:
    """RealESRGAN_x4plus: 16.70 M parameters in 702 tensors."""
    state = RRDBNet().state_dict()
    assert len(state) == 702 and sum(v.numel() for v in state.values()) == 16_697_987
    assert state["body.22.rdb3.conv5.weight"].shape == (64, 192, 3, 3)
    assert list(state)[:2] == ["conv_first.weight", "conv_first.bias"] and list(state)[-1] == "conv_last.bias"


@pytest.mark.parametrize("name", [PLUS, GENERAL])
def test_a_published_file_becomes_a_candidate(published: Published, name: str, tmp_path: Path) -> None:
    out = tmp_path / "candidate"
    argv = ["realesrgan", "--weights", str(published.path(name)), "--out", str(out), "--side-px", "32"]
    done = CliRunner().invoke(app, argv, obj=published.files)
    assert done.exit_code == 0, done.output
    assert "irisvue models publish realesrgan" in done.output
    assert sorted(p.name for p in out.iterdir()) == ["MODEL.md", "model.onnx"]
    card = (out / "MODEL.md").read_text()
    assert published.files[name].sha256 in card and "Copyright (c) 2021, Xintao Wang" in card
    session = onnxruntime.InferenceSession(str(out / "model.onnx"), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {"tile": np.full((3, 32, 32, 3), 90, np.uint8)})
    assert answer.shape == (3, 128, 128, 3) and answer.dtype == np.uint8


def test_denoise_mixes_two_files(published: Published) -> None:
    strong, weak = (official.read(published.path(name), published.files[name]) for name in (GENERAL, WEAK_DENOISE))
    mixed = official.network(published.path(GENERAL), 0.25, published.files).state_dict()
    for name, value in mixed.items():
        assert torch.allclose(value, 0.25 * strong[name] + 0.75 * weak[name])
    with pytest.raises(WrongWeights, match="--denoise goes with"):
        official.network(published.path(PLUS), 0.5, published.files)
    published.path(WEAK_DENOISE).unlink()
    with pytest.raises(WrongWeights, match=r"wdn-x4v3\.pth does not exist"):
        official.network(published.path(GENERAL), 0.5, published.files)


def test_another_file_is_refused(published: Published) -> None:
    data = bytearray(published.path(PLUS).read_bytes())
    data[len(data) // 2] ^= 1
    published.path(PLUS).write_bytes(data)
    with pytest.raises(WrongWeights, match=r"has sha256 \w+, expected"):
        official.network(published.path(PLUS), files=published.files)


def test_a_cut_off_file_is_refused(published: Published) -> None:
    published.path(PLUS).write_bytes(published.path(PLUS).read_bytes()[:-100])
    with pytest.raises(WrongWeights, match=r"bytes, expected [\d,]+: cut off"):
        official.network(published.path(PLUS), files=published.files)


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    torch.save(RRDBNet(8, 2, 4).state_dict(), tmp_path / PLUS)
    with pytest.raises(WrongWeights, match=r"another network than RRDBNet\. body\.1\..*expected None, found"):
        official.network(tmp_path / PLUS, files=_published(tmp_path / PLUS))


def test_code_in_a_pickle_is_not_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    (tmp_path / PLUS).write_bytes(pickle.dumps({"params": Evil()}, protocol=2))
    with pytest.raises(WrongWeights, match="can't be read as weights"):
        official.network(tmp_path / PLUS, files=_published(tmp_path / PLUS))
    assert not (tmp_path / "ran").exists()


def test_the_command_explains_what_is_wrong_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "candidate"
    for name, words in (("other.pth", "Keep their names"), (PLUS, "add --download")):
        done = CliRunner().invoke(app, ["realesrgan", "--weights", str(tmp_path / name), "--out", str(out)])
        assert done.exit_code == 1 and words in done.output and "Traceback" not in done.output
    assert not out.exists()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on this machine with a folder of releases."""
    folder = tmp_path / "site"
    folder.mkdir()

    with served(folder) as url:
        yield url, folder


def test_download(site: tuple[str, Path], published: Published, tmp_path: Path) -> None:
    url, folder = site
    right = published.path(PLUS).read_bytes()
    files = _published(published.path(PLUS), f"{url}/{PLUS}")
    target = tmp_path / "new" / PLUS
    for answer, words in ((b"an error page", "bytes, expected"), (None, "can't be reached")):
        (folder / PLUS).unlink(missing_ok=True)
        if answer is not None:
            (folder / PLUS).write_bytes(answer)
        with pytest.raises(WrongWeights, match=words):
            official.download(target, files)
        assert list(target.parent.iterdir()) == []
    (folder / PLUS).write_bytes(right)
    official.download(target, files)
    assert target.read_bytes() == right
    (folder / PLUS).unlink()
    official.download(target, files)  # the right file exists already
