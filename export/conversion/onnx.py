"""Torch weights → ONNX with uint8 HWC at both ends, so that Triton moves bytes and clients need no scaling."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from export.networks.enhancers import RefitCompact, SRVGGNetCompact
from export.networks.unet import UNet
from export.networks.weights import read_weights

OPSET = 18
TOLERANCE = {"iris_unet": 2e-3, "realesrgan": 1.0}  # probability; grey levels (a rounding may fall either way)


class Segmenter(nn.Module):
    """uint8 (N, S, S, 3) → float32 (N, S, S, classes) probabilities, (N, S, S, 1) reflection, (N, 1) presence; 0–1."""

    def __init__(self, net: UNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run a batch."""
        logits, reflection, presence = self.net(image.permute(0, 3, 1, 2).float())
        return logits.softmax(1).permute(0, 2, 3, 1), reflection.sigmoid()[..., None], presence.sigmoid()


class Enhancer(nn.Module):
    """uint8 (N, T, T, 3) → uint8 (N, 4T, 4T, 3), clipped and rounded."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, tile: Tensor) -> Tensor:
        """Run a batch."""
        out = self.net(tile.permute(0, 3, 1, 2).float() / 255.0)
        return (out.clamp(0, 1) * 255.0).round().permute(0, 2, 3, 1).to(torch.uint8)


class SplitPReLU(nn.Module):
    """PReLU as relu(x)·(1 - a) + a·x: ONNX Runtime fuses ReLU into convolutions and has no fast PReLU on a CPU."""

    def __init__(self, slope: Tensor) -> None:
        super().__init__()
        self.slope = nn.Parameter(slope.detach().reshape(1, -1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Run a batch."""
        return torch.relu(x) * (1 - self.slope) + self.slope * x


@dataclass(frozen=True)
class Served:
    """A network with its normalisation, and the input and outputs as Triton's config names them.

    `tolerance` is how far ONNX Runtime's answers may differ from torch's.
    """

    net: nn.Module
    input_name: str
    output_names: tuple[str, ...]
    tolerance: float


def segmenter(weights: Path) -> Served:
    """The U-Net of a weights file as it is served."""
    state = read_weights(weights)
    unet = UNet(base=state["down.0.0.weight"].shape[0])
    unet.load_state_dict(state, strict=True)
    return Served(Segmenter(unet).eval(), "image", ("probabilities", "reflection", "presence"), TOLERANCE["iris_unet"])


def enhancer(net: nn.Module) -> Served:
    """A ×4 network as it is served."""
    if isinstance(net, SRVGGNetCompact):
        net.body = nn.ModuleList(SplitPReLU(m.weight) if isinstance(m, nn.PReLU) else m for m in net.body)
    return Served(Enhancer(net).eval(), "tile", ("enhanced",), TOLERANCE["realesrgan"])


def load(name: str, weights: Path) -> Served:
    """Our own network `name` from the weights that training saved."""
    if name == "iris_unet":
        return segmenter(weights)
    state = read_weights(weights)
    convolutions = sum(key.endswith("weight") and value.ndim == 4 for key, value in state.items()) - 2
    features = state["body.0.weight"].shape[0]
    refitted = "skip.weight" in state
    net = RefitCompact(features, convolutions - 1) if refitted else SRVGGNetCompact(features, convolutions, "bicubic")
    net.load_state_dict(state, strict=True)
    return enhancer(net)


def export(served: Served, target: Path, side_px: int) -> float:
    """Write `target`; returns the largest difference between torch and ONNX Runtime on random bytes.

    Raises:
        ValueError: the difference is above the tolerance; nothing is left at `target`.
    """
    example = torch.randint(0, 256, (2, side_px, side_px, 3), dtype=torch.uint8)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    torch.onnx.export(
        served.net,
        (example,),
        str(part),
        input_names=[served.input_name],
        output_names=list(served.output_names),
        dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    _remove_traces_of_machine(part)
    difference = _difference(served, part, side_px)
    if not difference <= served.tolerance:  # so that NaN counts as a difference
        part.unlink()
        raise ValueError(f"ONNX differs from torch by {difference:.3g}, allowed {served.tolerance:.3g}")
    part.replace(target)
    return difference


def _remove_traces_of_machine(path: Path) -> None:
    """Take out the stack traces that the exporter notes on every node: they name this machine's folders."""
    model = onnx.load(path)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.save(model, path)


def _difference(served: Served, path: Path, side_px: int) -> float:
    """The largest difference between the answers of torch and of the ONNX file at `path` on random bytes."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    batch = torch.randint(0, 256, (3, side_px, side_px, 3), dtype=torch.uint8)
    with torch.no_grad():
        expected = served.net(batch)
    expected = expected if isinstance(expected, tuple) else (expected,)
    actual = session.run(None, {served.input_name: batch.numpy()})
    return max(
        float(np.abs(e.numpy().astype(np.float64) - np.asarray(a, np.float64)).max())
        for e, a in zip(expected, actual, strict=True)
    )
