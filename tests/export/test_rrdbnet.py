"""The graph that is written without torch is torch's network, with the signature that is served."""

import numpy as np
import onnxruntime
import pytest

from export.conversion import rrdbnet
from export.networks import ncnn
from orchestrator.config import ROOT
from orchestrator.publishing.signature import check_file, read_signature
from tests.export.small_wheels import SMALL, ncnn_file


def test_it_answers_as_torch_does() -> None:
    torch = pytest.importorskip("torch", reason="make test-export installs torch")
    from export.conversion.onnx import Enhancer
    from export.networks.enhancers import RRDBNet

    weights = ncnn.read(ncnn_file(), SMALL, "net.bin")
    net = RRDBNet(8, 2, 4)
    net.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()}, strict=True)
    tiles = np.random.default_rng(2).integers(0, 256, (3, 20, 20, 3), np.uint8)
    with torch.no_grad():
        expected = Enhancer(net.eval())(torch.from_numpy(tiles)).numpy()
    model = rrdbnet.model(weights, side_px=20).SerializeToString()
    (actual,) = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, {"tile": tiles})
    assert actual.dtype == np.uint8 and actual.shape == (3, 80, 80, 3)
    difference = np.abs(actual.astype(int) - expected)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.001
    assert 20 < actual.std(), "neither black nor white all over"


def test_it_has_the_signature_that_is_served() -> None:
    config = (ROOT / "model_repository/realesrgan/config.pbtxt").read_bytes()
    signature = read_signature("realesrgan", config)
    model = rrdbnet.model(ncnn.read(ncnn_file(), SMALL, "net.bin"), side_px=256)
    check_file(signature, "model.onnx", model.SerializeToString())
