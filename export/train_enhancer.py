"""Trains the compact ×4 network on sharp drawn eyes, made small the way phones and messengers make them small."""

import json
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from export import dataset
from export.architectures import SRVGGNetCompact
from export.drawing.camera import through_jpeg

TRAIN_SEED, HELD_OUT_SEED = 2_000_000, 9_500_000
TILE_PX, SCALE = 32, 4
KERNELS = (cv2.INTER_AREA, cv2.INTER_CUBIC, cv2.INTER_LINEAR)


def degrade(rng: np.random.Generator, sharp: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One round of Real-ESRGAN's blur → shrink → noise → JPEG, milder (the crop has passed a camera already)."""
    x = sharp.astype(np.float32)
    if rng.random() < 0.7:
        sx, sy = rng.uniform(0.2, 2.2, 2)
        x = np.asarray(cv2.GaussianBlur(x, (0, 0), sx, sigmaY=sy))
    size = (sharp.shape[1] // SCALE, sharp.shape[0] // SCALE)
    x = np.asarray(cv2.resize(x, size, interpolation=int(rng.choice(KERNELS))))
    if rng.random() < 0.6:
        x = x + rng.standard_normal(x.shape).astype(np.float32) * rng.uniform(0.5, 6.0)
    small = np.clip(x + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        small = through_jpeg(small, int(rng.integers(60, 97)))
    return np.ascontiguousarray(small)


def _patch(rng: np.random.Generator, pictures: dataset.Pictures, side: int) -> NDArray[np.uint8]:
    """A random patch, most often one that lies on the iris."""
    n = int(rng.integers(len(pictures.is_eye)))
    size = pictures.images.shape[1]
    for _ in range(4):
        x, y = rng.integers(0, size - side, 2)
        cover = np.isin(pictures.labels[n, y : y + side : 8, x : x + side : 8] & 127, (1, 2)).mean()
        if cover > 0.4 or rng.random() < 0.15:
            break
    patch = np.asarray(pictures.images[n, y : y + side, x : x + side])
    if rng.random() < 0.5:
        patch = patch[:, ::-1]
    return np.ascontiguousarray(np.rot90(patch, int(rng.integers(4))))


def _pairs(rng: np.random.Generator, pictures: dataset.Pictures, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    sharp = [_patch(rng, pictures, TILE_PX * SCALE) for _ in range(count)]
    small = [degrade(rng, s) for s in sharp]
    return tuple(torch.from_numpy(np.stack(x)).permute(0, 3, 1, 2).float() / 255.0 for x in (small, sharp))


def _psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((-10 * torch.log10((a.clamp(0, 1) - b).pow(2).mean((1, 2, 3)) + 1e-8)).mean())


@torch.no_grad()
def score(net: torch.nn.Module, pairs: tuple[torch.Tensor, torch.Tensor]) -> dict[str, float]:
    """Mean PSNR (dB) of the network and of the plain resamplers on the same held-out pairs."""
    small, sharp = pairs
    as_images = (small.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
    rows = {"network": _psnr(net(small), sharp)}
    for name, kernel in (("bicubic", cv2.INTER_CUBIC), ("lanczos", cv2.INTER_LANCZOS4)):
        up = np.stack([cv2.resize(i, None, fx=SCALE, fy=SCALE, interpolation=kernel) for i in as_images])
        rows[name] = _psnr(torch.from_numpy(up).permute(0, 3, 1, 2).float() / 255.0, sharp)
    return {k: round(v, 3) for k, v in rows.items()}


def train(out: Path, cache: Path, count: int, steps: int, seed: int, device: str) -> None:
    """Train with L1 plus an edge term; writes `out` and its scores beside it every 1,000 steps."""
    torch.manual_seed(seed)
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    pictures = dataset.cached(cache, count, 768, TRAIN_SEED, "crop", mild=True)
    held_out = dataset.cached(cache, 40, 768, HELD_OUT_SEED, "crop", mild=True)
    check = _pairs(np.random.default_rng(3), held_out, 96)
    net = SRVGGNetCompact(num_feat=32, num_conv=16, base="bicubic").to(device)
    for layer in net.body:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, a=0.25)
            torch.nn.init.zeros_(layer.bias)
    torch.nn.init.zeros_(net.body[-1].weight)  # starts as plain bicubic
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, steps, pct_start=0.05)
    average = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998))
    history = []
    with Progress(TextColumn("enhancer"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task("", total=steps)
        for step in range(1, steps + 1):
            small, sharp = (t.to(device) for t in _pairs(rng, pictures, 16))
            got = net(small)
            edges = F.l1_loss(got.diff(dim=-1), sharp.diff(dim=-1)) + F.l1_loss(got.diff(dim=-2), sharp.diff(dim=-2))
            loss = F.l1_loss(got, sharp) + 0.3 * edges
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            average.update_parameters(net)
            progress.update(task, advance=1)
            if step % 1000 == 0 or step == steps:
                history.append({"step": step, **score(average.module.cpu(), check)})
                average.module.to(device)
                progress.console.print(history[-1])
                torch.save(average.module.state_dict(), out)
                out.with_suffix(".json").write_text(json.dumps(history, indent=1))
