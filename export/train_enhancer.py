"""Trains the compact ×4 network on drawn irises and textures, made small the way phones and messengers do it."""

import json
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from export import dataset
from export.architectures import SRVGGNetCompact
from export.degrade import SCALE, degrade, shrink
from export.train_unet import weights_of

TRAIN_SEED, HELD_OUT_SEED = 2_000_000, 9_500_000
TILE_PX, BATCH = 32, 16
TEXTURE_PX, TEXTURES_SHARE = 384, 0.5
SOFT, SOFT_PX = 0.75, (0.4, 2.4)  # lenses are soft: a network that only saw drawings sharpens photos too far
CHECKED = 48  # pairs of each kind


@dataclass(frozen=True)
class Sharp:
    """What patches are cut from: drawn irises with their labels, and textures (N, S, S, 3)."""

    irises: dataset.Pictures
    textures: NDArray[np.uint8]

    def patch(self, rng: np.random.Generator, texture: bool) -> NDArray[np.uint8]:
        """A random square of TILE_PX · SCALE pixels, turned and mirrored at random."""
        cut = self._of_texture(rng) if texture else self._of_iris(rng)
        if rng.random() < 0.5:
            cut = cut[:, ::-1]
        turned = np.ascontiguousarray(np.rot90(cut, int(rng.integers(4))))
        if rng.random() < SOFT:
            turned = np.asarray(cv2.GaussianBlur(turned, (0, 0), rng.uniform(*SOFT_PX)), np.uint8)
        return turned

    def _of_texture(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        side, size = TILE_PX * SCALE, self.textures.shape[1]
        n, x, y = int(rng.integers(len(self.textures))), *rng.integers(0, size - side, 2)
        return np.asarray(self.textures[n, y : y + side, x : x + side])

    def _of_iris(self, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Most often a patch that lies on the iris."""
        side, size = TILE_PX * SCALE, self.irises.images.shape[1]
        n = int(rng.integers(len(self.irises.is_eye)))
        for _ in range(4):
            x, y = rng.integers(0, size - side, 2)
            cover = np.isin(self.irises.labels[n, y : y + side : 8, x : x + side : 8] & 127, (1, 2)).mean()
            if cover > 0.4 or rng.random() < 0.15:
                break
        return np.asarray(self.irises.images[n, y : y + side, x : x + side])


Pairs = tuple[torch.Tensor, torch.Tensor]


def _as_batch(small: list[NDArray[np.uint8]], sharp: list[NDArray[np.uint8]]) -> Pairs:
    first, second = (torch.from_numpy(np.stack(x)).permute(0, 3, 1, 2).float() / 255.0 for x in (small, sharp))
    return first, second


def _batch(rng: np.random.Generator, source: Sharp) -> Pairs:
    sharp = [source.patch(rng, rng.random() < TEXTURES_SHARE) for _ in range(BATCH)]
    return _as_batch([degrade(rng, s) for s in sharp], sharp)


def held_out_pairs(source: Sharp) -> dict[str, Pairs]:
    """The same pairs every time: irises and textures, only shrunk and degraded at random."""
    rng = np.random.default_rng(3)
    pairs = {}
    for kind in ("iris", "texture"):
        sharp = [source.patch(rng, kind == "texture") for _ in range(CHECKED)]
        pairs[f"{kind}, shrunk"] = _as_batch([shrink(s) for s in sharp], sharp)
        pairs[f"{kind}, degraded"] = _as_batch([degrade(rng, s) for s in sharp], sharp)
    return pairs


def _psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((-10 * torch.log10((a.clamp(0, 1) - b).pow(2).mean((1, 2, 3)) + 1e-8)).mean())


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


def fresh_network() -> SRVGGNetCompact:
    """The shipped layout, starting as plain bicubic."""
    net = SRVGGNetCompact(num_feat=32, num_conv=16, base="bicubic")
    for layer in net.body:
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, a=0.25)
            torch.nn.init.zeros_(layer.bias)
    torch.nn.init.zeros_(net.body[-1].weight)
    return net


def train(out: Path, cache: Path, irises: int, textures: int, steps: int, seed: int, device: str, resume: bool) -> None:
    """Train with L1 plus an edge term; writes `out` and its scores beside it every 1,000 steps."""
    torch.manual_seed(seed)
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    source = Sharp(
        dataset.cached(cache, irises, 768, TRAIN_SEED, "crop", mild=True),
        dataset.cached_textures(cache, textures, TEXTURE_PX, TRAIN_SEED),
    )
    held_out = Sharp(
        dataset.cached(cache, 40, 768, HELD_OUT_SEED, "crop", mild=True),
        dataset.cached_textures(cache, 40, TEXTURE_PX, HELD_OUT_SEED),
    )
    check = held_out_pairs(held_out)
    net = fresh_network()
    if resume:
        net.load_state_dict(weights_of(out))
    net.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-3, steps, pct_start=0.05)
    average = torch.optim.swa_utils.AveragedModel(net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998))
    history = []
    with Progress(TextColumn("enhancer"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as progress:
        task = progress.add_task("", total=steps)
        for step in range(1, steps + 1):
            small, sharp = (t.to(device, memory_format=torch.channels_last) for t in _batch(rng, source))
            with torch.autocast(device, torch.bfloat16):
                residual = net.residual(small)
            got = F.pixel_shuffle(residual.float(), SCALE) + net.enlarged(small)
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
