"""Training and export, with torch: the layout of the networks, their ONNX, a few steps of each training."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx as onnx_file
import onnxruntime
import pytest

torch = pytest.importorskip("torch", reason="make test-export installs torch")

from torch import Tensor  # noqa: E402

from export.conversion import onnx  # noqa: E402
from export.networks.enhancers import SRVGGNetCompact  # noqa: E402
from export.networks.from_onnx import read_onnx, settle  # noqa: E402
from export.networks.unet import UNet  # noqa: E402
from export.networks.weights import mean_weights, read_weights  # noqa: E402
from export.training import enhancer, segmenter  # noqa: E402
from export.training.source import Source  # noqa: E402
from orchestrator.config import ROOT  # noqa: E402


def test_compact_enhancer_has_the_official_names_and_size() -> None:
    """realesr-general-x4v3: body.0 … body.66, 1.21 M parameters."""
    net = SRVGGNetCompact(num_feat=64, num_conv=32)
    state = net.state_dict()
    assert list(state)[:3] == ["body.0.weight", "body.0.bias", "body.1.weight"]
    assert state["body.66.weight"].shape == (48, 64, 3, 3)
    assert sum(v.numel() for v in state.values()) == 1_213_296


def test_enhancer_sees_eighteen_pixels_far() -> None:
    """The tiling relies on it: inside the rim that it discards, nothing depends on pixels outside the tile."""
    net = SRVGGNetCompact(32, 16, "bicubic").eval()
    picture = torch.rand(1, 3, 64, 64)
    changed = picture.clone()
    changed[..., :24] = torch.rand(1, 3, 64, 24)
    with torch.no_grad():
        difference = (net(picture) - net(changed)).abs().amax((0, 1, 2))
    assert difference[: 4 * 24].max() > 0
    assert difference[4 * (24 + 20) :].max() == 0


def test_bicubic_base_is_torchs_bicubic() -> None:
    net = SRVGGNetCompact(8, 2, "bicubic")
    torch.nn.init.zeros_(net.body[-1].weight)
    torch.nn.init.zeros_(net.body[-1].bias)
    picture = torch.rand(2, 3, 21, 34)
    expected = torch.nn.functional.interpolate(picture, scale_factor=4.0, mode="bicubic", align_corners=False)
    with torch.no_grad():
        assert (net(picture) - expected).abs().max() < 1e-5


def test_the_enhancer_starts_as_bicubic() -> None:
    picture = torch.rand(1, 3, 20, 24)
    expected = torch.nn.functional.interpolate(picture, scale_factor=4.0, mode="bicubic", align_corners=False)
    with torch.no_grad():
        assert (enhancer.fresh_network()(picture) - expected).abs().max() < 1e-5


def test_unet_outputs() -> None:
    logits, reflection, presence = UNet()(torch.rand(2, 3, 64, 64) * 255)
    assert logits.shape == (2, 4, 64, 64) and reflection.shape == (2, 64, 64) and presence.shape == (2, 1)


@pytest.mark.parametrize("name", ["iris_unet", "realesrgan"])
def test_export_equals_torch_and_keeps_the_signature(name: str, tmp_path: Path) -> None:
    net = UNet() if name == "iris_unet" else SRVGGNetCompact(8, 2, "bicubic")
    torch.save(net.state_dict(), tmp_path / "net.pt")
    target = tmp_path / name / "1" / "model.onnx"
    assert onnx.export(onnx.load(name, tmp_path / "net.pt"), target, 64) <= onnx.TOLERANCE[name]
    written = target.read_bytes()
    for trace in (str(Path(__file__).parents[2]), sys.prefix, "Traceback", "stack_trace"):
        assert trace.encode() not in written, "nothing of the machine that made it"
    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    (image_input,) = session.get_inputs()
    assert image_input.shape[1:] == [64, 64, 3] and image_input.type == "tensor(uint8)"
    image = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3)).astype(np.uint8)
    answers = session.run(None, {image_input.name: image})
    assert all(len(a) == 5 for a in answers)
    assert [p.name for p in target.parent.iterdir()] == ["model.onnx"], "no partial file is left"


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    torch.save(UNet().state_dict(), tmp_path / "net.pt")
    with pytest.raises((RuntimeError, KeyError)):
        onnx.load("realesrgan", tmp_path / "net.pt")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> tuple[UNet, Path]:
    """A network whose batch normalisations are not trivial, and its file as it would be published."""
    torch.manual_seed(4)
    net = UNet(base=8)
    for layer in net.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.weight, 0.5, 1.5)
            torch.nn.init.normal_(layer.bias)
            torch.nn.init.normal_(layer.running_mean)
            torch.nn.init.uniform_(layer.running_var, 0.5, 2.0)
    folder = tmp_path_factory.mktemp("published")
    torch.save(net.state_dict(), folder / "net.pt")
    onnx.export(onnx.load("iris_unet", folder / "net.pt"), folder / "model.onnx", 64)
    return net.eval(), folder / "model.onnx"


def _answers(net: UNet, picture: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.cat([answer.flatten() for answer in net(picture)])


def test_weights_come_back_out_of_a_published_network(published: tuple[UNet, Path]) -> None:
    net, file = published
    picture = torch.rand(2, 3, 64, 64) * 255
    torch.testing.assert_close(_answers(read_onnx(file), picture), _answers(net, picture), rtol=1e-3, atol=1e-3)


def test_the_shipped_segmenter_can_be_trained_on() -> None:
    """There are no weights beside it: the file that is served is where the next training starts."""
    shipped = ROOT / "model_repository" / "iris_unet" / "1" / "model.onnx"
    picture = np.random.default_rng(0).integers(0, 256, (1, 256, 256, 3)).astype(np.uint8)
    session = onnxruntime.InferenceSession(str(shipped), providers=["CPUExecutionProvider"])
    served = onnx.Segmenter(read_onnx(shipped)).eval()
    with torch.no_grad():
        answers = served(torch.from_numpy(picture))
    for expected, answer in zip(session.run(None, {"image": picture}), answers, strict=True):
        assert np.abs(expected - answer.numpy()).max() < 2e-3


def test_a_settled_network_answers_the_same_and_trains_from_there(published: tuple[UNet, Path]) -> None:
    """In training a batch normalisation uses its batch: settled on that batch, nothing may change."""
    net = read_onnx(published[1])
    picture = torch.rand(6, 3, 64, 64) * 255
    before, unsettled = _answers(net, picture), _answers(net.train(), picture)
    settle(net, [picture])
    little = 0.05 * (unsettled - before).abs().max()
    assert (_answers(net.eval(), picture) - before).abs().max() < little
    assert (_answers(net.train(), picture) - before).abs().max() < little


def test_a_file_of_another_network_is_not_read_back(tmp_path: Path) -> None:
    torch.save(SRVGGNetCompact(8, 2, "bicubic").state_dict(), tmp_path / "net.pt")
    onnx.export(onnx.load("realesrgan", tmp_path / "net.pt"), tmp_path / "model.onnx", 64)
    with pytest.raises(ValueError, match="holds no U-Net"):
        read_onnx(tmp_path / "model.onnx")


@pytest.mark.parametrize(
    ("name", "shape", "says"),
    [("net.more", [3], "nobody asked for more"), ("net.head.bias", [7], r"head\.bias missing or of another shape")],
)
def test_every_weight_in_a_file_is_accounted_for(
    name: str, shape: list[int], says: str, published: tuple[UNet, Path], tmp_path: Path
) -> None:
    file = tmp_path / "model.onnx"
    model = onnx_file.load(published[1])
    kept = [i for i in model.graph.initializer if i.name != name]
    del model.graph.initializer[:]
    model.graph.initializer.extend([*kept, onnx_file.numpy_helper.from_array(np.zeros(shape, np.float32), name)])
    onnx_file.save(model, file)
    with pytest.raises(ValueError, match=says):
        read_onnx(file)


def test_training_goes_on_from_a_published_network(published: tuple[UNet, Path], tmp_path: Path) -> None:
    file, out = published[1], tmp_path / "iris_unet.pt"
    few = Source(tmp_path / "drawn", pictures=6, first_seed=1_000_000, phones=6, held_out=4, side_px=96)
    segmenter.train(out, few, [segmenter.Stage(64, 4, 1, 1e-9)], 1, "cpu", start=file)
    trained = UNet(base=8)
    trained.load_state_dict(read_weights(out))
    picture = torch.rand(2, 3, 64, 64) * 255
    torch.testing.assert_close(
        _answers(trained.eval(), picture), _answers(read_onnx(file), picture), rtol=0.05, atol=0.1
    )


def test_a_few_steps_of_segmentation_training_and_a_resume(tmp_path: Path) -> None:
    out, stages = tmp_path / "iris_unet.pt", [segmenter.Stage(64, 4, 6, 1e-3)]
    few = Source(tmp_path / "drawn", pictures=12, first_seed=1_000_000, held_out=12, side_px=192)
    segmenter.train(out, few, stages, 1, "cpu")
    scores = json.loads(out.with_suffix(".json").read_text())[-1]
    assert scores["step"] == 6 and 0 <= scores["iou_mean"] <= 1 and 0 <= scores["reflection_recall"] <= 1
    before = read_weights(out)
    first = out.rename(tmp_path / "first.pt")
    torch.save(before, out)
    segmenter.train(out, replace(few, sharp=4, traps=4, phones=4, textures=4), stages, 2, "cpu", start=out)
    after = read_weights(out)
    assert before.keys() == after.keys() and any((before[k] != after[k]).any() for k in before)
    mean = mean_weights([first, out])
    name = next(name for name in before if before[name].is_floating_point())
    torch.testing.assert_close(mean[name], (before[name] + after[name]) / 2)


def test_weights_of_two_networks_have_no_mean(tmp_path: Path) -> None:
    torch.save(UNet().state_dict(), tmp_path / "unet.pt")
    torch.save(SRVGGNetCompact().state_dict(), tmp_path / "enhancer.pt")
    with pytest.raises(ValueError, match=r"enhancer\.pt is of another network than .*unet\.pt"):
        mean_weights([tmp_path / "unet.pt", tmp_path / "enhancer.pt"])


def test_a_few_steps_of_enhancer_training_and_a_resume(tmp_path: Path) -> None:
    out = tmp_path / "realesrgan.pt"
    few = enhancer.Source(tmp_path / "drawn", irises=12, textures=6, held_out=6, iris_px=192)
    enhancer.train(out, few, 3, 1, "cpu", resume=False)
    scores = json.loads(out.with_suffix(".json").read_text())[-1]
    decibels = [*scores["iris, shrunk"], *scores["texture, shrunk"]]
    assert scores["step"] == 3 and all(10 < dB < 70 for dB in decibels)
    before = read_weights(out)
    enhancer.train(out, few, 3, 2, "cpu", resume=True)
    after = read_weights(out)
    assert any((before[k] != after[k]).any() for k in before)
