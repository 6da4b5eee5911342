"""Trains the segmentation network on drawn eyes: first small and fast, then at the side length it will serve at."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from export.networks.from_onnx import read_onnx, settle
from export.networks.unet import UNet
from export.networks.weights import read_weights
from export.training import dataset
from export.training.augmentation import augment, disturb, relight
from export.training.segmenter_scores import score
from export.training.source import Source

SAVED_EVERY = 1_000  # steps
SETTLED_ON = 24  # batches
COLUMNS = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()


@dataclass(frozen=True)
class Stage:
    """One stretch of training at one picture size."""

    side_px: int
    batch: int
    steps: int
    peak_rate: float


@dataclass(frozen=True)
class _Run:
    """What one training holds from its first stage to its last; `history` has a row for each time it was scored."""

    net: UNet
    average: torch.optim.swa_utils.AveragedModel
    rng: np.random.Generator
    training: list[dataset.Pictures]
    surfaces: NDArray[np.uint8] | None
    held_out: dataset.Pictures
    device: str
    history: list[dict[str, float]]


def train(out: Path, source: Source, stages: list[Stage], seed: int, device: str, start: Path | None = None) -> None:
    """Write the averaged weights to `out` and their scores beside it, after every 1,000 steps and each stage.

    Args:
        out: a .pt file; its scores have the suffix .json.
        source: what is trained on.
        stages: in this order.
        seed: of the first weights and of everything that changes in a picture.
        device: "cpu" or "cuda".
        start: begin with these weights instead: a .pt file of an earlier training, or a published .onnx.
    """
    torch.manual_seed(seed)
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    training, surfaces, held_out = source.training(), source.surfaces(), source.scoring()
    net = UNet()
    if start and start.suffix == ".onnx":
        net = read_onnx(start)
        settle(net, (_batch(rng, training, surfaces, stages[0])[0].float() for _ in range(SETTLED_ON)))
    elif start:
        net.load_state_dict(read_weights(start))
    net = net.train().to(device, memory_format=torch.channels_last)
    average = torch.optim.swa_utils.AveragedModel(
        net, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998), use_buffers=True
    )
    run = _Run(net, average, rng, training, surfaces, held_out, device, history=[])
    with Progress(*COLUMNS) as progress:
        for stage in stages:
            _train_stage(run, stage, out, progress)


def _train_stage(run: _Run, stage: Stage, out: Path, progress: Progress) -> None:
    optimizer = torch.optim.AdamW(run.net.parameters(), stage.peak_rate, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, stage.peak_rate, stage.steps, pct_start=0.08)
    task = progress.add_task(f"{stage.side_px} px", total=stage.steps)
    started = time.monotonic()
    for step, batch in enumerate(_batches(run, stage), 1):
        loss = _step(run.net, optimizer, batch, run.device)
        schedule.step()
        run.average.update_parameters(run.net)
        progress.update(task, advance=1, description=f"{stage.side_px} px, loss {loss:.3f}")
        if step % SAVED_EVERY == 0 or step == stage.steps:
            row = {"side_px": stage.side_px, "step": step, "minutes": (time.monotonic() - started) / 60}
            run.history.append(row | score(run.average.module, run.held_out, stage.side_px, run.device))
            progress.console.print(run.history[-1])
            torch.save(run.average.module.state_dict(), out)
            out.with_suffix(".json").write_text(json.dumps(run.history, indent=1))


def _step(net: UNet, optimizer: torch.optim.Optimizer, batch: tuple[Tensor, Tensor, Tensor], device: str) -> float:
    """One step down the gradient; returns the loss before it."""
    images, labels, is_eye = (tensor.to(device) for tensor in batch)
    with torch.autocast(device, torch.bfloat16):
        logits, reflection, presence = net(images.float().contiguous(memory_format=torch.channels_last))
    loss = loss_of(logits.float(), reflection.float(), presence.float(), labels, is_eye)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 2.0)
    optimizer.step()
    return float(loss.item())


def _batches(run: _Run, stage: Stage) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The batches of a stage; each is made while the network learns from the one before."""
    with ThreadPoolExecutor(1) as beside:
        following = beside.submit(_batch, run.rng, run.training, run.surfaces, stage)
        for step in range(stage.steps):
            batch = following.result()
            if step + 1 < stage.steps:
                following = beside.submit(_batch, run.rng, run.training, run.surfaces, stage)
            yield batch


def _batch(
    rng: np.random.Generator, sets: list[dataset.Pictures], surfaces: NDArray[np.uint8] | None, stage: Stage
) -> tuple[Tensor, Tensor, Tensor]:
    """Images (N, 3, S, S) uint8, labels (N, S, S) int64 and whether each shows an open eye (N,) float32, 0 or 1."""
    images = np.empty((stage.batch, stage.side_px, stage.side_px, 3), np.uint8)
    labels = np.empty((stage.batch, stage.side_px, stage.side_px), np.uint8)
    is_eye = np.empty(stage.batch, np.float32)
    for i in range(stage.batch):
        pictures = sets[i % len(sets)]
        n = int(rng.integers(len(pictures.is_eye)))
        moved, labels[i] = augment(rng, pictures.images[n], pictures.labels[n], stage.side_px)
        images[i] = relight(rng, moved)
        if surfaces is not None:
            images[i] = disturb(rng, images[i], labels[i], surfaces)
        is_eye[i] = pictures.is_eye[n]
    return torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels).long(), torch.from_numpy(is_eye)


def loss_of(logits: Tensor, reflection: Tensor, presence: Tensor, labels: Tensor, is_eye: Tensor) -> Tensor:
    """Cross entropy for every pixel, soft Dice of iris with pupil and of reflections, cross entropy for presence."""
    true_class = labels & ~dataset.REFLECTION_BIT
    true_reflection = (labels >= dataset.REFLECTION_BIT).float()
    true_iris = ((true_class == dataset.IRIS) | (true_class == dataset.PUPIL)).float()
    pixel = F.cross_entropy(logits, true_class)
    iris = (_dice(logits.softmax(1)[:, 1:3].sum(1), true_iris) * is_eye).sum() / is_eye.sum().clamp(min=1)
    reflections = 2 * F.binary_cross_entropy_with_logits(reflection, true_reflection)
    reflections = reflections + 0.5 * (_dice(reflection.sigmoid(), true_reflection) * is_eye).mean()
    present = F.binary_cross_entropy_with_logits(presence[:, 0], is_eye)
    return pixel + 0.5 * iris + reflections + 0.3 * present


def _dice(mask: Tensor, truth: Tensor) -> Tensor:
    """(N,) the soft Dice loss of masks (N, S, S) in 0–1."""
    overlap = (mask * truth).sum((1, 2))
    return 1 - (2 * overlap + 1) / (mask.sum((1, 2)) + truth.sum((1, 2)) + 1)
