"""Trains the compact ×4 network on drawn irises and textures, made small the way phones and messengers do it."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from export.networks.enhancers import SRVGGNetCompact
from export.networks.weights import read_weights
from export.training import dataset
from export.training.degrade import SCALE
from export.training.patches import Pairs, Sharp, held_out_pairs, random_batch

TRAIN_SEED, HELD_OUT_SEED = 2_000_000, 9_500_000
TEXTURE_PX = 384
EDGE_WEIGHT = 0.3  # of the edge term of the loss
SAVED_EVERY = 1_000  # steps


@dataclass(frozen=True)
class Source:
    """The pictures to train on and to score on, drawn into `folder` the first time; irises are `iris_px` large.

    `held_out` is the number of irises, and of textures, that are never trained on.
    """

    folder: Path
    irises: int
    textures: int
    held_out: int = 40
    iris_px: int = 768

    def training(self) -> Sharp:
        """What patches are cut from to train on."""
        return self._sharp(self.irises, self.textures, TRAIN_SEED)

    def scoring(self) -> Sharp:
        """What patches are cut from to score on."""
        return self._sharp(self.held_out, self.held_out, HELD_OUT_SEED)

    def _sharp(self, irises: int, textures: int, first_seed: int) -> Sharp:
        return Sharp(
            dataset.eye_pictures(self.folder, irises, self.iris_px, first_seed, "crop", mild=True),
            dataset.textures(self.folder, textures, TEXTURE_PX, first_seed),
        )


def fresh_network() -> SRVGGNetCompact:
    """The shipped layout, starting as plain bicubic."""
    net = SRVGGNetCompact(num_feat=32, num_conv=16, base="bicubic")
    for layer in net.body:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, a=0.25)
            torch.nn.init.zeros_(layer.bias)
    torch.nn.init.zeros_(net.body[-1].weight)
    return net


def train(out: Path, source: Source, steps: int, seed: int, device: str, resume: bool) -> None:
    """Train with L1 plus an edge term; write `out` and its scores beside it after every 1,000 steps and the last.

    Args:
        out: a .pt file; its scores have the suffix .json.
        source: what is trained on.
        steps: of one batch each.
        seed: of the first weights, the patches and how they are made small.
        device: "cpu" or "cuda".
        resume: begin with the weights in `out`.
    """
    torch.manual_seed(seed)
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    training, held_out = source.training(), held_out_pairs(source.scoring())
    net = fresh_network()
    if resume:
        net.load_state_dict(read_weights(out))
    net.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, steps, pct_start=0.05)
    average = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998))
    history: list[dict[str, int | list[float]]] = []
    with Progress(TextColumn("enhancer"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task("", total=steps)
        for step in range(1, steps + 1):
            _step(net, optimizer, random_batch(rng, training), device)
            schedule.step()
            average.update_parameters(net)
            progress.update(task, advance=1)
            if step % SAVED_EVERY == 0 or step == steps:
                history.append({"step": step, **score(average.module.cpu(), held_out)})
                average.module.to(device)
                progress.console.print(history[-1])
                torch.save(average.module.state_dict(), out)
                out.with_suffix(".json").write_text(json.dumps(history, indent=1))


def _step(net: SRVGGNetCompact, optimizer: torch.optim.Optimizer, batch: Pairs, device: str) -> None:
    """One step down the gradient."""
    small, sharp = (tensor.to(device, memory_format=torch.channels_last) for tensor in batch)
    with torch.autocast(device, torch.bfloat16):
        residual = net.residual(small)
    enlarged = F.pixel_shuffle(residual.float(), SCALE) + net.enlarged(small)
    across = F.l1_loss(enlarged.diff(dim=-1), sharp.diff(dim=-1))
    down = F.l1_loss(enlarged.diff(dim=-2), sharp.diff(dim=-2))
    loss = F.l1_loss(enlarged, sharp) + EDGE_WEIGHT * (across + down)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()


@torch.no_grad()
def score(net: torch.nn.Module, pairs: dict[str, Pairs]) -> dict[str, list[float]]:
    """For each kind of held-out pairs the mean PSNR (dB) of the network and of Lanczos."""
    rows = {}
    for kind, (small, sharp) in pairs.items():
        images = (small.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
        up = np.stack([cv2.resize(i, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_LANCZOS4) for i in images])
        lanczos = torch.from_numpy(up).permute(0, 3, 1, 2).float() / 255.0
        rows[kind] = [round(_psnr(net(small), sharp), 2), round(_psnr(lanczos, sharp), 2)]
    return rows


def _psnr(picture: torch.Tensor, truth: torch.Tensor) -> float:
    error = (picture.clamp(0, 1) - truth).pow(2).mean((1, 2, 3))
    return float((-10 * torch.log10(error + 1e-8)).mean())
