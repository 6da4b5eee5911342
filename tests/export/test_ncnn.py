"""Weights in ncnn's format: what is read is what was written, and everything that is not the network is refused."""

import math

import numpy as np
import pytest

from export.networks import ncnn
from export.networks.errors import WrongWeights
from tests.export.small_wheels import SMALL, ncnn_file


def test_x4plus_has_the_published_size() -> None:
    convolutions = ncnn.rrdbnet()
    assert len(convolutions) == 351 and sum(one.size_bytes for one in convolutions) == 33_424_520
    assert sum(math.prod(one.shape) + one.outputs for one in convolutions) == 16_697_987


def test_names_and_shapes_are_those_of_the_state_dictionary() -> None:
    torch = pytest.importorskip("torch", reason="make test-export installs torch")
    from export.networks.enhancers import RRDBNet

    expected = {name: tuple(value.shape) for name, value in RRDBNet(8, 2, 4).state_dict().items()}
    weights = ncnn.read(ncnn_file(), SMALL, "net.bin")
    assert {name: value.shape for name, value in weights.items()} == expected
    assert list(weights) == list(expected)
    RRDBNet(8, 2, 4).load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()}, strict=True)


def test_numbers_are_read_at_their_places() -> None:
    (first, *_) = convolutions = ncnn.rrdbnet(features=1, blocks=0, growth=1)  # 27 float16 need two bytes of padding
    data = bytearray(ncnn_file(convolutions))
    data[4 : 4 + 54] = np.arange(27).astype("<f2").tobytes()
    data[60:64] = np.float32(0.1).tobytes()
    weights = ncnn.read(bytes(data), convolutions, "net.bin")
    assert first.weights_bytes == 56
    assert (weights["conv_first.weight"].ravel() == np.arange(27)).all()
    assert weights["conv_first.bias"] == np.float32(0.1)


def compact_file() -> tuple[tuple[ncnn.Layer, ...], bytes]:
    """A small compact network: random convolutions, and slopes that count from 0."""
    layers = ncnn.compact(features=4, convolutions=1)
    pieces = [
        ncnn_file((layer,))
        if isinstance(layer, ncnn.Convolution)
        else np.arange(layer.channels).astype("<f4").tobytes()
        for layer in layers
    ]
    return layers, b"".join(pieces)


def test_the_compact_network_has_the_published_size_and_names() -> None:
    layers = ncnn.compact()
    assert sum(layer.size_bytes for layer in layers) == 1_247_368
    torch = pytest.importorskip("torch", reason="make test-export installs torch")
    from export.networks.enhancers import SRVGGNetCompact

    small, data = compact_file()
    weights = ncnn.read(data, small, "net.bin")
    assert (weights["body.3.weight"] == np.arange(4)).all()
    state = {name: torch.from_numpy(value) for name, value in weights.items()}
    SRVGGNetCompact(4, 1).load_state_dict(state, strict=True)


def test_slopes_that_are_cut_off_or_no_numbers_are_refused() -> None:
    layers, data = compact_file()
    begin = layers[0].size_bytes
    with pytest.raises(WrongWeights, match=r"body\.1, .*expected 4 slopes, but it is cut off"):
        ncnn.read(data[: begin + 12], layers, "net.bin")
    with pytest.raises(WrongWeights, match=r"body\.1, .*expected finite slopes, but 1 of 4 are NaN"):
        ncnn.read(data[:begin] + np.float32(np.nan).tobytes() + data[begin + 4 :], layers, "net.bin")


@pytest.mark.parametrize("missing_bytes", [1, 100, 5_000])
def test_a_cut_off_file_is_refused(missing_bytes: int) -> None:
    with pytest.raises(WrongWeights, match=r"convolution \d+ of 36: expected [\d,]+ bytes, but only [\d,]+ are left"):
        ncnn.read(ncnn_file()[:-missing_bytes], SMALL, "net.bin")


def test_nothing_is_no_network() -> None:
    with pytest.raises(WrongWeights, match=r"conv_first, convolution 1 of 36: .* only 0 are left"):
        ncnn.read(b"", SMALL, "net.bin")


def test_a_layer_too_many_is_refused() -> None:
    extra = SMALL[-1].size_bytes
    data = ncnn_file((*SMALL, SMALL[-1]))
    with pytest.raises(WrongWeights, match=rf"expected 36 convolutions in [\d,]+ bytes.* {extra:,} are left over"):
        ncnn.read(data, SMALL, "net.bin")


@pytest.mark.parametrize(
    "other",
    [ncnn.rrdbnet(8, 1, 4), ncnn.rrdbnet(8, 3, 4), ncnn.rrdbnet(16, 2, 4), ncnn.rrdbnet(8, 2, 8)],
    ids=["fewer blocks", "more blocks", "more features", "more growth"],
)
def test_another_architecture_is_refused(other: tuple[ncnn.Convolution, ...]) -> None:
    with pytest.raises(WrongWeights, match=r"expected the tag of float16 weights, 0x01306b47, but it begins with 0x"):
        ncnn.read(ncnn_file(other), SMALL, "net.bin")


def test_weights_that_are_not_numbers_are_refused() -> None:
    data = ncnn_file(spoiled="body.1.rdb2.conv3")
    with pytest.raises(WrongWeights, match=r"body\.1\.rdb2\.conv3, .*expected finite weights, but 1 of 576 are NaN"):
        ncnn.read(data, SMALL, "net.bin")


def test_biases_that_are_not_numbers_are_refused() -> None:
    data = ncnn_file()[:-4] + np.float32(np.inf).tobytes()
    with pytest.raises(WrongWeights, match=r"conv_last, .*expected finite biases, but 1 of 3 are NaN or infinite"):
        ncnn.read(data, SMALL, "net.bin")
