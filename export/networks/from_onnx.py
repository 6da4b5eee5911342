"""Reads a U-Net's weights back out of the ONNX file that is served, so that training can go on from a published one."""

from collections.abc import Iterable
from pathlib import Path

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from export.networks.unet import UNet
from export.networks.weights import Weights

PREFIX = "net."  # what the exporter puts before each name
FOLDED = "_bias"  # and behind a convolution's, for what it made of the batch normalisation after it


def read_onnx(path: Path) -> UNet:
    """The network in an exported file, answering as the file does.

    The export folded each batch normalisation into the convolution before it; here its scale is 1 and its shift the
    folded bias. That holds in `eval` only: before training, `settle` the network.

    Raises:
        ValueError: the file is of another network, or its weights are not all accounted for.
    """
    arrays = {i.name: numpy_helper.to_array(i) for i in onnx.load(path).graph.initializer}
    stored = {k.removeprefix(PREFIX): torch.from_numpy(v.copy()) for k, v in arrays.items() if k.startswith(PREFIX)}
    stem = stored.get("down.0.0.weight")
    if stem is None or stem.ndim != 4:
        raise ValueError(f"{path} holds no U-Net of this project.")
    net = UNet(base=stem.shape[0])
    state = _unfolded(net, stored)
    if stored:
        raise ValueError(f"{path}: nobody asked for {', '.join(sorted(stored))}.")
    expected = {name: value.shape for name, value in net.state_dict().items()}
    wrong = [name for name, shape in expected.items() if name not in state or state[name].shape != shape]
    if wrong:
        raise ValueError(f"{path}: {', '.join(wrong)} missing or of another shape.")
    net.load_state_dict(state, strict=True)
    net.eval()
    return net


def _unfolded(net: UNet, stored: Weights) -> Weights:
    """The state of `net` as far as `stored` has it; what is used is taken out of `stored`."""
    state: Weights = {}
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d) and module.bias is None:
            weight, bias = stored.pop(f"{name}.weight", None), stored.pop(f"{name}.weight{FOLDED}", None)
            if weight is not None and bias is not None:
                state |= {f"{name}.weight": weight} | _plain_normalisation(_next(name), bias)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            for part in ("weight", "bias"):
                if (value := stored.pop(f"{name}.{part}", None)) is not None:
                    state[f"{name}.{part}"] = value
    return state


def _next(name: str) -> str:
    """The name of the batch normalisation that follows a convolution: "down.0.3" → "down.0.4"."""
    block, index = name.rsplit(".", 1)
    return f"{block}.{int(index) + 1}"


def _plain_normalisation(name: str, shift: Tensor) -> Weights:
    """A batch normalisation that, in `eval`, adds `shift` and does nothing else."""
    return {
        f"{name}.weight": torch.ones_like(shift),
        f"{name}.bias": shift,
        f"{name}.running_mean": torch.zeros_like(shift),
        f"{name}.running_var": torch.full_like(shift, 1 - nn.BatchNorm2d(1).eps),
        f"{name}.num_batches_tracked": torch.tensor(0),
    }


@torch.no_grad()
def settle(net: UNet, batches: Iterable[Tensor]) -> None:
    """Give each batch normalisation the mean and spread that it sees in `batches` (N, 3, S, S), without changing what
    the network answers: the first training step, which normalises by its own batch, then starts from the same network.
    """
    layers = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    seen: dict[nn.BatchNorm2d, list[tuple[Tensor, Tensor]]] = {layer: [] for layer in layers}
    hooks = [layer.register_forward_pre_hook(lambda m, x: seen[m].append(_moments(x[0]))) for layer in layers]
    net.eval()
    for batch in batches:
        net(batch)
    for hook in hooks:
        hook.remove()
    for layer, moments in seen.items():
        mean, square = (torch.stack(values).mean(0) for values in zip(*moments, strict=True))
        variance = (square - mean.pow(2)).clamp(min=0)
        scale = layer.weight / (layer.running_var + layer.eps).sqrt()
        layer.bias += scale * (mean - layer.running_mean)
        layer.weight.copy_(scale * (variance + layer.eps).sqrt())
        layer.running_mean.copy_(mean)
        layer.running_var.copy_(variance)


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of each channel of (N, C, H, W), and of its square; both (C,)."""
    return x.mean((0, 2, 3)), x.pow(2).mean((0, 2, 3))
