"""Lessons from a teacher, and the last layer that is fitted to them."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="make test-export installs torch")

from torch import Tensor, nn  # noqa: E402

from export.conversion import onnx  # noqa: E402
from export.networks.enhancers import RefitCompact, SRVGGNetCompact  # noqa: E402
from export.training.lessons import CHUNK, SIDE_PX, Lessons, lessons, taught  # noqa: E402
from export.training.refit import refit, with_more_detail  # noqa: E402


@pytest.fixture
def net() -> RefitCompact:
    torch.manual_seed(1)
    net = RefitCompact(8, 2)
    net.eval()
    return net


def planes(pictures: np.ndarray) -> Tensor:
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255


def pictures(count: int, seed: int = 1) -> np.ndarray:
    """Smooth random ones, (N, S, S, 3), far from black and white, where answers are cut."""
    noise = torch.from_numpy(np.random.default_rng(seed).random((count, 3, 16, 16), np.float32))
    large = nn.functional.interpolate(noise, size=SIDE_PX, mode="bicubic").clamp(0, 1)
    return np.asarray((64 + large * 127).round().to(torch.uint8).permute(0, 2, 3, 1).numpy(), np.uint8)


def test_it_begins_as_the_network_that_it_is_made_of() -> None:
    compact = SRVGGNetCompact(8, 3)
    with torch.no_grad():
        for layer in compact.body[1::2]:
            layer.weight.uniform_(-0.5, 1.2)
        picture = torch.rand(1, 3, 9, 12)
        assert torch.allclose(RefitCompact.of(compact)(picture), compact(picture), atol=1e-6)


def test_the_teachers_last_layer_is_found_again(net: RefitCompact) -> None:
    """The teacher's kernels sum to nothing beside those of "nearest", so even areas stay as they are."""
    teacher = deepcopy(net)
    last, skip = teacher.body[-1], teacher.skip
    with torch.no_grad():
        last.weight.normal_(std=0.1).sub_(last.weight.mean((2, 3), keepdim=True))
        last.bias.zero_()
        added = 0.02 * torch.randn_like(skip.weight)
        skip.weight.add_(added - added.mean((2, 3), keepdim=True))
        small, other = pictures(12), planes(pictures(2, seed=2))
        inner = np.s_[..., 32:-32, 32:-32]
        before = (net(other) - teacher(other))[inner].abs().mean()
        refit(net, Lessons(small, taught(teacher, small)), detail=1.0)
        assert (net(other) - teacher(other))[inner].abs().mean() < 0.1 * before


def test_even_areas_stay_as_they_are(net: RefitCompact) -> None:
    """The lessons ask for pictures that are 20 levels lighter."""
    small = pictures(12)
    refit(net, Lessons(small, small.repeat(4, axis=1).repeat(4, axis=2) + np.uint8(20)), detail=1.0)
    even = torch.full((1, 3, 40, 40), 0.5)
    with torch.no_grad():
        assert (net(even)[..., 64:96, 64:96].mean() - 0.5).abs() < 15 / 255


def test_more_detail_is_asked_for_where_the_small_picture_has_none() -> None:
    small = planes(pictures(2))
    large = nn.functional.interpolate(small, scale_factor=4.0, mode="bicubic").clamp(0, 1)
    large = large + 0.02 * torch.randn(large.shape, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(with_more_detail(small, large, 1.0), large, atol=1e-6)
    added = [float(with_more_detail(small, large, detail).diff(dim=-1).abs().mean()) for detail in (1.0, 2.0)]
    assert added[1] > 1.3 * added[0]
    coarse = [nn.functional.avg_pool2d(with_more_detail(small, large, detail), 4) for detail in (1.0, 2.0)]
    assert (coarse[1] - coarse[0]).abs().mean() < 0.004, "what the small picture shows stays"


def test_no_lessons_fit_nothing(net: RefitCompact) -> None:
    with pytest.raises(ValueError, match="no lessons"):
        refit(net, Lessons(np.empty((0, 64, 64, 3), np.uint8), np.empty((0, 256, 256, 3), np.uint8)))


def test_only_lessons_that_are_missing_are_made(tmp_path: Path, net: RefitCompact) -> None:
    photo = np.random.default_rng(3).integers(0, 256, (90, 70, 3)).astype(np.uint8)
    first = lessons(tmp_path, net, CHUNK, seed=5, photos=[photo])
    assert first.small.shape == (CHUNK, SIDE_PX, SIDE_PX, 3)
    assert first.large.shape == (CHUNK, 4 * SIDE_PX, 4 * SIDE_PX, 3)
    assert (first.large == taught(net, first.small)).all()
    before = (tmp_path / "5.npz").stat().st_mtime_ns
    more = lessons(tmp_path, net, CHUNK + 1, seed=5, photos=[photo])
    assert (tmp_path / "5.npz").stat().st_mtime_ns == before and (more.small[:CHUNK] == first.small).all()
    assert len(np.unique(more.small.reshape(2 * CHUNK, -1), axis=0)) == 2 * CHUNK


def test_a_refitted_network_is_served(tmp_path: Path, net: RefitCompact) -> None:
    torch.save(net.state_dict(), tmp_path / "realesrgan.pt")
    served = onnx.load("realesrgan", tmp_path / "realesrgan.pt").net
    tile = torch.from_numpy(pictures(1))
    with torch.no_grad():
        expected = net(tile.permute(0, 3, 1, 2) / 255).clamp(0, 1).permute(0, 2, 3, 1) * 255
        assert (served(tile).float() - expected).abs().max() <= 0.51
