"""Trains the segmentation network on drawn eyes: first small and fast, then at the side length it will serve at."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from export import dataset
from export.architectures import UNet

TRAIN_SEED, HELD_OUT_SEED = 1_000_000, 9_000_000


@dataclass(frozen=True)
class Stage:
    """One stretch of training at one picture size."""

    side_px: int
    batch: int
    steps: int
    peak_rate: float


def _augment(rng: np.random.Generator, image: NDArray[np.uint8], truth: NDArray[np.uint8], side: int) -> tuple:
    """Flip, zoom, turn, shift and re-light one picture; the truth follows."""
    size = image.shape[0]
    zoom = side / size * np.exp(rng.uniform(-0.18, 0.25))
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), rng.normal(0, 9), zoom)
    matrix[:, 2] += side / 2 - size / 2 + rng.normal(0, 0.04, 2) * side
    if rng.random() < 0.5:
        matrix[0] = -matrix[0]
        matrix[0, 2] += side - 1
    if zoom < 0.7:
        image = cv2.blur(image, (2, 2))
    image = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    truth = cv2.warpAffine(truth, matrix, (side, side), flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT_101)
    ramp = (np.arange(256) / 255.0)[:, None] ** np.exp(rng.normal(0, 0.2, (1, 3)) * [0.3, 0.3, 0.3] + rng.normal(0, 0.2))
    table = np.clip(ramp * np.exp(rng.normal(0, 0.08, 3)) * 255, 0, 255).astype(np.uint8)
    return cv2.LUT(image, table[:, None, :].transpose(1, 0, 2)), truth


def _batch(
    rng: np.random.Generator, pictures: dataset.Pictures, stage: Stage
) -> tuple[Tensor, Tensor, Tensor]:
    images = np.empty((stage.batch, stage.side_px, stage.side_px, 3), np.uint8)
    truths = np.empty((stage.batch, stage.side_px, stage.side_px), np.uint8)
    chosen = rng.integers(0, len(pictures.is_eye), stage.batch)
    for i, n in enumerate(chosen):
        images[i], truths[i] = _augment(rng, pictures.images[n], pictures.labels[n] & 127, stage.side_px)
    eye = torch.from_numpy(pictures.is_eye[chosen].astype(np.float32))
    return torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(truths).long(), eye


def loss_of(logits: Tensor, presence: Tensor, truth: Tensor, eye: Tensor) -> Tensor:
    """Cross entropy for every pixel + soft Dice of iris with pupil + binary cross entropy for presence."""
    pixel = F.cross_entropy(logits, truth)
    round_ = logits.softmax(1)[:, 1:3].sum(1)
    want = ((truth == dataset.IRIS) | (truth == dataset.PUPIL)).float()
    overlap = (round_ * want).sum((1, 2))
    dice = 1 - (2 * overlap + 1) / (round_.sum((1, 2)) + want.sum((1, 2)) + 1)
    return pixel + 0.5 * (dice * eye).sum() / eye.sum().clamp(min=1) + 0.3 * F.binary_cross_entropy_with_logits(
        presence[:, 0], eye
    )


@torch.no_grad()
def score(net: UNet, pictures: dataset.Pictures, side: int, device: str) -> dict[str, float]:
    """Mean IoU of iris with pupil on pictures with an eye, and how well presence tells eyes from the rest."""
    net.eval()
    ious, right = [], []
    for n in range(len(pictures.is_eye)):
        image = cv2.resize(np.asarray(pictures.images[n]), (side, side), interpolation=cv2.INTER_AREA)
        truth = cv2.resize(pictures.labels[n] & 127, (side, side), interpolation=cv2.INTER_NEAREST)
        tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float().to(device)
        logits, presence = net(tensor)
        right.append((float(presence) > 0) == bool(pictures.is_eye[n]))
        if pictures.is_eye[n]:
            got = logits.softmax(1)[0, 1:3].sum(0).cpu().numpy() > 0.5
            want = (truth == dataset.IRIS) | (truth == dataset.PUPIL)
            ious.append((got & want).sum() / max((got | want).sum(), 1))
    net.train()
    return {"iou_mean": float(np.mean(ious)), "iou_p10": float(np.quantile(ious, 0.1)), "presence": float(np.mean(right))}


def train(out: Path, cache: Path, count: int, stages: list[Stage], seed: int, device: str, base: int = 16) -> None:
    """Train and write `out` (state dict of the averaged weights) and its scores beside it after every 1,000 steps."""
    torch.manual_seed(seed)
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    pictures = dataset.cached(cache, count, 256, TRAIN_SEED)
    held_out = dataset.cached(cache, 600, 256, HELD_OUT_SEED)
    net = UNet(base).to(device, memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998), use_buffers=True
    )
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    history: list[dict[str, float]] = []
    with Progress(*columns) as progress:
        for stage in stages:
            optimizer = torch.optim.AdamW(net.parameters(), stage.peak_rate, weight_decay=1e-3)
            schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, stage.peak_rate, stage.steps, pct_start=0.08)
            task = progress.add_task(f"{stage.side_px} px", total=stage.steps)
            started = time.monotonic()
            for step in range(1, stage.steps + 1):
                images, truth, eye = (t.to(device) for t in _batch(rng, pictures, stage))
                with torch.autocast(device, torch.bfloat16):
                    logits, presence = net(images.float().contiguous(memory_format=torch.channels_last))
                loss = loss_of(logits.float(), presence.float(), truth, eye)
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
                optimizer.step()
                schedule.step()
                average.update_parameters(net)
                progress.update(task, advance=1, description=f"{stage.side_px} px, loss {loss.item():.3f}")
                if step % 1000 == 0 or step == stage.steps:
                    row = {"side_px": stage.side_px, "step": step, "minutes": (time.monotonic() - started) / 60}
                    row |= score(average.module, held_out, stage.side_px, device)
                    history.append(row)
                    progress.console.print(row)
                    torch.save(average.module.state_dict(), out)
                    out.with_suffix(".json").write_text(json.dumps(history, indent=1))
