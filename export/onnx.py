"""Torch weights → ONNX with uint8 HWC at both ends, so that Triton moves bytes and clients need no scaling."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from export.architectures import SRVGGNetCompact, UNet
from export.train_unet import weights_of

OPSET = 18
TOLERANCE = {"iris_unet": 2e-3, "realesrgan": 1.0}  # probability; grey levels (a rounding may fall either way)


class Segmenter(nn.Module):
    """uint8 (N, S, S, 3) → float32 (N, S, S, classes) probabilities, (N, S, S, 1) reflection, (N, 1) presence; 0–1."""

    def __init__(self, net: UNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Run a batch."""
        logits, glint, presence = self.net(image.permute(0, 3, 1, 2).float())
        return logits.softmax(1).permute(0, 2, 3, 1), glint.sigmoid()[..., None], presence.sigmoid()


class Enhancer(nn.Module):
    """uint8 (N, T, T, 3) → uint8 (N, 4T, 4T, 3), clipped and rounded."""

    def __init__(self, net: SRVGGNetCompact) -> None:
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


def _load(name: str, weights: Path) -> tuple[nn.Module, str, list[str]]:
    state = weights_of(weights)
    if name == "iris_unet":
        unet = UNet(base=state["down.0.0.weight"].shape[0])
        unet.load_state_dict(state, strict=True)
        return Segmenter(unet).eval(), "image", ["probabilities", "reflection", "presence"]
    convolutions = sum(k.endswith("weight") and v.ndim == 4 for k, v in state.items()) - 2
    net = SRVGGNetCompact(state["body.0.weight"].shape[0], convolutions, base="bicubic")
    net.load_state_dict(state, strict=True)
    net.body = nn.ModuleList(SplitPReLU(m.weight) if isinstance(m, nn.PReLU) else m for m in net.body)
    return Enhancer(net).eval(), "tile", ["enhanced"]


def _forget_where(path: Path) -> None:
    """Take out what the exporter notes of the machine it ran on: stack traces with its folders, on every node."""
    model = onnx.load(path)
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.initializer, *graph.value_info, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    onnx.save(model, path)


def export(name: str, weights: Path, target: Path, side_px: int) -> float:
    """Write `target`; returns the largest difference between torch and ONNX Runtime on random bytes.

    Raises:
        ValueError: the difference is above the tolerance; nothing is left at `target`.
    """
    net, input_name, output_names = _load(name, weights)
    example = torch.randint(0, 256, (2, side_px, side_px, 3), dtype=torch.uint8)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    torch.onnx.export(
        net,
        (example,),
        str(part),
        input_names=[input_name],
        output_names=output_names,
        dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=64)},),
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    _forget_where(part)
    session = onnxruntime.InferenceSession(str(part), providers=["CPUExecutionProvider"])
    batch = torch.randint(0, 256, (3, side_px, side_px, 3), dtype=torch.uint8)
    with torch.no_grad():
        expected = net(batch)
    expected = expected if isinstance(expected, tuple) else (expected,)
    got = session.run(None, {input_name: batch.numpy()})
    difference = max(
        float(np.abs(e.numpy().astype(np.float64) - np.asarray(g, np.float64)).max())
        for e, g in zip(expected, got, strict=True)
    )
    if difference > TOLERANCE[name]:
        part.unlink()
        raise ValueError(f"{name}: ONNX differs from torch by {difference:.3g}, allowed {TOLERANCE[name]:.3g}")
    part.replace(target)
    return difference
