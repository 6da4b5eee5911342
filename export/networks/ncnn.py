"""Weights in ncnn's binary format, read with NumPy alone.

The file is a row of layers without names or shapes. A convolution is a uint32 tag that says how the weights are stored,
the weights (out, in, 3, 3) padded to four bytes, and the biases in float32; a PReLU is its slopes in float32; all
little-endian. So the architecture has
to be known, and is checked: every convolution must begin with the tag of float16, and nothing may be left over.

Source: ncnn's ModelBinFromDataReader (github.com/Tencent/ncnn, src/modelbin.cpp).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from export.networks.errors import WrongWeights

Weights = Mapping[str, NDArray[np.float32]]

FLOAT16 = 0x01306B47
TAG_BYTES = 4
KERNEL_PX = 3


@dataclass(frozen=True)
class Convolution:
    """A 3 × 3 convolution: its name in Real-ESRGAN's state dictionaries and its numbers of channels."""

    name: str
    inputs: int
    outputs: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of its weights."""
        return self.outputs, self.inputs, KERNEL_PX, KERNEL_PX

    @property
    def weights_bytes(self) -> int:
        """In float16, with the padding."""
        return (2 * math.prod(self.shape) + 3) // 4 * 4

    @property
    def size_bytes(self) -> int:
        """Of all that the file holds of it."""
        return TAG_BYTES + self.weights_bytes + 4 * self.outputs


@dataclass(frozen=True)
class Slopes:
    """A PReLU: its name in Real-ESRGAN's state dictionaries and its number of channels."""

    name: str
    channels: int

    @property
    def size_bytes(self) -> int:
        """Of all that the file holds of it."""
        return 4 * self.channels


Layer = Convolution | Slopes


def compact(features: int = 64, convolutions: int = 16) -> tuple[Layer, ...]:
    """The layers of SRVGGNetCompact; realesr-animevideov3 has the default sizes."""
    layers: list[Layer] = []
    for n in range(convolutions + 1):
        layers += [
            Convolution(f"body.{2 * n}", features if n else 3, features),
            Slopes(f"body.{2 * n + 1}", features),
        ]
    return (*layers, Convolution(f"body.{2 * convolutions + 2}", features, 48))


def rrdbnet(features: int = 64, blocks: int = 23, growth: int = 32) -> tuple[Convolution, ...]:
    """The convolutions of RRDBNet in the order in which it runs them; RealESRGAN_x4plus has the default sizes."""
    body = [
        Convolution(
            f"body.{block}.rdb{dense}.conv{number}",
            features + (number - 1) * growth,
            features if number == 5 else growth,
        )
        for block in range(blocks)
        for dense in (1, 2, 3)
        for number in range(1, 6)
    ]
    inner = ("conv_body", "conv_up1", "conv_up2", "conv_hr")
    return (
        Convolution("conv_first", 3, features),
        *body,
        *(Convolution(name, features, features) for name in inner),
        Convolution("conv_last", features, 3),
    )


def read(data: bytes, layers: Sequence[Layer], name: str) -> dict[str, NDArray[np.float32]]:
    """Weights, biases and slopes as float32, under the names of the network's state dictionary.

    Args:
        data: the file.
        layers: what it has to hold, in this order.
        name: of the file, for messages.

    Raises:
        WrongWeights: cut off, too long, not float16, not finite, or of another architecture.
    """
    weights: dict[str, NDArray[np.float32]] = {}
    convolutions = sum(isinstance(layer, Convolution) for layer in layers)
    start = number = 0
    for layer in layers:
        number += isinstance(layer, Convolution)
        position = f"{name}: {layer.name}, convolution {number} of {convolutions}"
        piece = data[start : start + layer.size_bytes]
        weights |= (
            _read_one(piece, layer, position) if isinstance(layer, Convolution) else _slopes(piece, layer, position)
        )
        start += layer.size_bytes
    if len(data) > start:
        raise WrongWeights(
            f"{name}: expected {convolutions} convolutions in {start:,} bytes, but it has {len(data):,} bytes: "
            f"{len(data) - start:,} are left over. It is another network, or something was added."
        )
    return weights


def _slopes(data: bytes, slopes: Slopes, position: str) -> dict[str, NDArray[np.float32]]:
    if len(data) < slopes.size_bytes:
        raise WrongWeights(f"{position}: expected {slopes.channels} slopes, but it is cut off.")
    values = np.frombuffer(data, "<f4").copy()
    _check_finite(position, "slopes", values)
    return {f"{slopes.name}.weight": values}


def _read_one(data: bytes, convolution: Convolution, position: str) -> dict[str, NDArray[np.float32]]:
    tag = int.from_bytes(data[:TAG_BYTES], "little")
    if len(data) >= TAG_BYTES and tag != FLOAT16:
        raise WrongWeights(
            f"{position}: expected the tag of float16 weights, {FLOAT16:#010x}, but it begins with {tag:#010x}. "
            "It is another network, or stored in another way."
        )
    if len(data) < convolution.size_bytes:
        raise WrongWeights(
            f"{position}: expected {convolution.size_bytes:,} bytes, but only {len(data):,} are left: it is cut off."
        )
    count = math.prod(convolution.shape)
    kernel = np.frombuffer(data, "<f2", count, TAG_BYTES).astype(np.float32).reshape(convolution.shape)
    bias = np.frombuffer(data, "<f4", convolution.outputs, TAG_BYTES + convolution.weights_bytes).astype(np.float32)
    _check_finite(position, "weights", kernel)
    _check_finite(position, "biases", bias)
    return {f"{convolution.name}.weight": kernel, f"{convolution.name}.bias": bias}


def _check_finite(position: str, kind: str, values: NDArray[np.float32]) -> None:
    wrong = int(values.size - np.isfinite(values).sum())
    if wrong:
        raise WrongWeights(f"{position}: expected finite {kind}, but {wrong} of {values.size} are NaN or infinite.")
