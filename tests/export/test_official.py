"""Published weights: only the right file, of the right network, becomes a candidate; nothing is left of a wrong one."""

import hashlib
import http.server
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from typer.testing import CliRunner

torch = pytest.importorskip("torch", reason="make test-export installs torch")

from export import official  # noqa: E402
from export.__main__ import app  # noqa: E402
from export.architectures import RRDBNet, SRVGGNetCompact  # noqa: E402
from export.official import Official, WrongWeights  # noqa: E402

PLUS, GENERAL, WEAK = "RealESRGAN_x4plus.pth", "realesr-general-x4v3.pth", "realesr-general-wdn-x4v3.pth"
MAKE: dict[str, Callable[[], RRDBNet | SRVGGNetCompact]] = {
    PLUS: lambda: RRDBNet(8, 1, 4),
    GENERAL: lambda: SRVGGNetCompact(8, 2),
    WEAK: lambda: SRVGGNetCompact(8, 2),
}
KEY = {PLUS: "params_ema", GENERAL: "params", WEAK: "params"}


def _publish(monkeypatch: pytest.MonkeyPatch, path: Path, url: str = "https://published.test/file") -> Path:
    """Let the file at `path` be the one that is published under its name."""
    data = path.read_bytes()
    entry = Official(url, len(data), hashlib.sha256(data).hexdigest(), MAKE[path.name])
    monkeypatch.setitem(official.OFFICIAL, path.name, entry)
    return path


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Small networks of the right kinds, published under the official names."""
    torch.manual_seed(1)
    for name, make in MAKE.items():
        torch.save({KEY[name]: make().state_dict()}, tmp_path / name)
        _publish(monkeypatch, tmp_path / name)
    return {name: tmp_path / name for name in MAKE}


def test_rrdbnet_has_the_official_names_and_size() -> None:
    """RealESRGAN_x4plus: 16.70 M parameters in 702 tensors."""
    state = RRDBNet().state_dict()
    assert len(state) == 702 and sum(v.numel() for v in state.values()) == 16_697_987
    assert state["body.22.rdb3.conv5.weight"].shape == (64, 192, 3, 3)
    assert list(state)[:2] == ["conv_first.weight", "conv_first.bias"] and list(state)[-1] == "conv_last.bias"


@pytest.mark.parametrize("name", [PLUS, GENERAL])
def test_a_published_file_becomes_a_candidate(weights: dict[str, Path], name: str, tmp_path: Path) -> None:
    out = tmp_path / "candidate"
    done = CliRunner().invoke(
        app, ["realesrgan", "--weights", str(weights[name]), "--out", str(out), "--side-px", "32"]
    )
    assert done.exit_code == 0, done.output
    assert "irisvue models publish realesrgan" in done.output
    assert sorted(p.name for p in out.iterdir()) == ["MODEL.md", "model.onnx"]
    assert official.OFFICIAL[name].sha256 in (out / "MODEL.md").read_text()
    session = onnxruntime.InferenceSession(str(out / "model.onnx"), providers=["CPUExecutionProvider"])
    (answer,) = session.run(None, {"tile": np.full((3, 32, 32, 3), 90, np.uint8)})
    assert answer.shape == (3, 128, 128, 3) and answer.dtype == np.uint8


def test_denoise_mixes_two_files(weights: dict[str, Path]) -> None:
    strong, weak = official.read(weights[GENERAL]), official.read(weights[WEAK])
    mixed = official.network(weights[GENERAL], 0.25).state_dict()
    for name, value in mixed.items():
        assert torch.allclose(value, 0.25 * strong[name] + 0.75 * weak[name])
    with pytest.raises(WrongWeights, match="--denoise goes with"):
        official.network(weights[PLUS], 0.5)
    weights[WEAK].unlink()
    with pytest.raises(WrongWeights, match=r"wdn-x4v3\.pth is not there"):
        official.network(weights[GENERAL], 0.5)


def test_another_file_is_refused(weights: dict[str, Path]) -> None:
    data = bytearray(weights[PLUS].read_bytes())
    data[len(data) // 2] ^= 1
    weights[PLUS].write_bytes(data)
    with pytest.raises(WrongWeights, match=r"has sha256 \w+, expected"):
        official.network(weights[PLUS])


def test_a_cut_off_file_is_refused(weights: dict[str, Path]) -> None:
    weights[PLUS].write_bytes(weights[PLUS].read_bytes()[:-100])
    with pytest.raises(WrongWeights, match=r"bytes, expected [\d,]+: cut off"):
        official.network(weights[PLUS])


def test_another_architecture_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(RRDBNet(8, 2, 4).state_dict(), tmp_path / PLUS)
    _publish(monkeypatch, tmp_path / PLUS)
    with pytest.raises(WrongWeights, match=r"another network than RRDBNet\. body\.1\..*expected None, found"):
        official.network(tmp_path / PLUS)


def test_code_in_a_pickle_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (tmp_path / "ran",)  # type: ignore[return-value]

    (tmp_path / PLUS).write_bytes(pickle.dumps({"params": Evil()}, protocol=2))
    _publish(monkeypatch, tmp_path / PLUS)
    with pytest.raises(WrongWeights, match="can't be read as weights"):
        official.network(tmp_path / PLUS)
    assert not (tmp_path / "ran").exists()


def test_the_command_says_what_is_wrong_and_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "candidate"
    for name, words in (("mine.pth", "Keep their names"), (PLUS, "add --download")):
        done = CliRunner().invoke(app, ["realesrgan", "--weights", str(tmp_path / name), "--out", str(out)])
        assert done.exit_code == 1 and words in done.output and "Traceback" not in done.output
    assert not out.exists()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on this machine with a folder of releases."""
    folder = tmp_path / "site"
    folder.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), lambda *a: Quiet(*a, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", folder
        server.shutdown()
        thread.join()


def test_download(site: tuple[str, Path], weights: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    url, folder = site
    right = weights[PLUS].read_bytes()
    _publish(monkeypatch, weights[PLUS], f"{url}/{PLUS}")
    home = weights[PLUS].parent / "new"
    for what, words in ((b"an error page", "bytes, expected"), (None, "can't be reached")):
        (folder / PLUS).unlink(missing_ok=True)
        if what is not None:
            (folder / PLUS).write_bytes(what)
        with pytest.raises(WrongWeights, match=words):
            official.download(home / PLUS)
        assert list(home.iterdir()) == []
    (folder / PLUS).write_bytes(right)
    official.download(home / PLUS)
    assert (home / PLUS).read_bytes() == right
    (folder / PLUS).unlink()
    official.download(home / PLUS)  # it is there already
