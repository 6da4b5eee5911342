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
from export.drawing.camera import through_jpeg

HELD_OUT_SEED = 9_000_000
SHARP_OFFSET = 500_000
TEXTURE_PX, TEXTURE_SEED = 384, 2_000_000
SURFACES = (0.9, 0.35, 0.2, 0.5)  # how strongly a texture may change background, iris, pupil, white


@dataclass(frozen=True)
class Stage:
    """One stretch of training at one picture size."""

    side_px: int
    batch: int
    steps: int
    peak_rate: float


def _augment(
    rng: np.random.Generator, image: NDArray[np.uint8], truth: NDArray[np.uint8], side: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Flip, zoom, turn, shift and re-light one picture; the truth follows."""
    size = image.shape[0]
    zoom = side / size * np.exp(rng.uniform(-0.18, 0.25))
    matrix = cv2.getRotationMatrix2D((size / 2, size / 2), rng.normal(0, 9), zoom)
    matrix[:, 2] += side / 2 - size / 2 + rng.normal(0, 0.04, 2) * side
    if rng.random() < 0.5:
        matrix[0] = -matrix[0]
        matrix[0, 2] += side - 1
    if zoom < 0.7:
        image = np.asarray(cv2.blur(image, (2, 2)), np.uint8)
    size_px, border = (side, side), cv2.BORDER_REFLECT_101
    seen = cv2.warpAffine(image, matrix, size_px, flags=cv2.INTER_LINEAR, borderMode=border)
    labels = cv2.warpAffine(truth, matrix, size_px, flags=cv2.INTER_NEAREST, borderMode=border)
    ramp = (np.arange(256) / 255.0)[:, None] ** np.exp(
        rng.normal(0, 0.2, (1, 3)) * [0.3, 0.3, 0.3] + rng.normal(0, 0.2)
    )
    table = np.clip(ramp * np.exp(rng.normal(0, 0.08, 3)) * 255, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(seen, table[None]), np.uint8), np.asarray(labels, np.uint8)


def _disturb(
    rng: np.random.Generator, image: NDArray[np.uint8], truth: NDArray[np.uint8], textures: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Other surfaces, light and cameras than were drawn, so that shapes count for more than what they are made of."""
    side = image.shape[0]
    light = np.zeros((side, side, 3), np.float32)
    if rng.random() < 0.6:
        span = int(rng.integers(48, textures.shape[1]))
        texture = cv2.resize(textures[rng.integers(len(textures)), :span, :span], (side, side))
        strength = rng.uniform(0, SURFACES).astype(np.float32)[truth & 127]
        light += cv2.GaussianBlur(strength, (0, 0), 2)[..., None] * (texture / np.float32(127.5) - 1)
    if rng.random() < 0.4:
        lamps = rng.normal(0, rng.uniform(0, 0.7), (3, 3, 1)) + rng.normal(0, rng.uniform(0, 0.25), (3, 3, 3))
        light += cv2.resize(lamps.astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    seen = np.asarray(image * np.exp(light), np.float32)
    if rng.random() < 0.25:
        seen = np.asarray(cv2.GaussianBlur(seen, (0, 0), rng.uniform(0.4, 2.5)), np.float32)
    if rng.random() < 0.25:
        seen = seen + rng.standard_normal(seen.shape, np.float32) * np.float32(rng.uniform(1, 14))
    out = np.clip(seen, 0, 255).astype(np.uint8)
    return through_jpeg(out, int(rng.integers(15, 80))) if rng.random() < 0.25 else out


def _batch(
    rng: np.random.Generator, sources: list[dataset.Pictures], textures: NDArray[np.uint8] | None, stage: Stage
) -> tuple[Tensor, Tensor, Tensor]:
    images = np.empty((stage.batch, stage.side_px, stage.side_px, 3), np.uint8)
    truths = np.empty((stage.batch, stage.side_px, stage.side_px), np.uint8)
    eye = np.empty(stage.batch, np.float32)
    for i in range(stage.batch):
        pictures = sources[i % len(sources)]
        n = int(rng.integers(len(pictures.is_eye)))
        images[i], truths[i] = _augment(rng, pictures.images[n], pictures.labels[n], stage.side_px)
        if textures is not None:
            images[i] = _disturb(rng, images[i], truths[i], textures)
        eye[i] = pictures.is_eye[n]
    return torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(truths).long(), torch.from_numpy(eye)


def loss_of(logits: Tensor, glint: Tensor, presence: Tensor, labels: Tensor, eye: Tensor) -> Tensor:
    """Cross entropy for every pixel, soft Dice of iris with pupil and of reflections, cross entropy for presence."""
    truth, shine = labels & 127, (labels >= dataset.GLINT_BIT).float()
    pixel = F.cross_entropy(logits, truth)
    want = ((truth == dataset.IRIS) | (truth == dataset.PUPIL)).float()
    dice = _dice(logits.softmax(1)[:, 1:3].sum(1), want)
    glints = 2 * F.binary_cross_entropy_with_logits(glint, shine) + 0.5 * (_dice(glint.sigmoid(), shine) * eye).mean()
    present = F.binary_cross_entropy_with_logits(presence[:, 0], eye)
    return pixel + 0.5 * (dice * eye).sum() / eye.sum().clamp(min=1) + glints + 0.3 * present


def _dice(found: Tensor, want: Tensor) -> Tensor:
    overlap = (found * want).sum((1, 2))
    return 1 - (2 * overlap + 1) / (found.sum((1, 2)) + want.sum((1, 2)) + 1)


@torch.no_grad()
def score(net: UNet, pictures: dataset.Pictures, side: int, device: str) -> dict[str, float]:
    """Mean IoU of iris with pupil, recall and precision of reflection pixels, how often presence is right."""
    net.eval()
    ious, right, hit, found_glint, true_glint = [], [], 0, 0, 1
    for n in range(len(pictures.is_eye)):
        image = cv2.resize(np.asarray(pictures.images[n]), (side, side), interpolation=cv2.INTER_AREA)
        labels = np.asarray(cv2.resize(np.asarray(pictures.labels[n]), (side, side), interpolation=cv2.INTER_NEAREST))
        tensor = torch.from_numpy(image).permute(2, 0, 1)[None].float().to(device)
        logits, glint, presence = net(tensor)
        right.append((float(presence) > 0) == bool(pictures.is_eye[n]))
        if pictures.is_eye[n]:
            got = logits.softmax(1)[0, 1:3].sum(0).cpu().numpy() > 0.5
            want = np.isin(np.bitwise_and(labels, 127), (dataset.IRIS, dataset.PUPIL))
            ious.append((got & want).sum() / max((got | want).sum(), 1))
            shine, truth = (glint[0].cpu().numpy() > 0) & want, (labels >= dataset.GLINT_BIT) & want
            hit, found_glint, true_glint = (
                hit + (shine & truth).sum(),
                found_glint + shine.sum(),
                true_glint + truth.sum(),
            )
    net.train()
    scores = {
        "iou_mean": np.mean(ious),
        "iou_p10": np.quantile(ious, 0.1),
        "presence": np.mean(right),
        "glint_recall": hit / true_glint,
        "glint_precision": hit / max(found_glint, 1),
    }
    return {name: round(float(value), 4) for name, value in scores.items()}


def weights_of(path: Path) -> dict[str, Tensor]:
    """A saved average's weights under the network's own names."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    return {name.removeprefix("module."): value for name, value in state.items() if name != "n_averaged"}


def mean_of(paths: list[Path]) -> dict[str, Tensor]:
    """The mean of several trainings' weights, surer of pictures unlike the training's than any of them."""
    states = [weights_of(path) for path in paths]
    for path, state in zip(paths, states, strict=True):
        shapes = {name: value.shape for name, value in state.items()}
        if shapes != {name: value.shape for name, value in states[0].items()}:
            raise ValueError(f"{path} is of another network than {paths[0]}.")
    mean = {name: torch.stack([state[name].float() for state in states]).mean(0) for name in states[0]}
    return {name: value.to(states[0][name].dtype) for name, value in mean.items()}


def train(
    out: Path,
    cache: Path,
    count: int,
    stages: list[Stage],
    seed: int,
    device: str,
    first_seed: int,
    resume: bool,
    sharp: int = 0,
    textures: int = 0,
) -> None:
    """Train and write `out` (state dict of the averaged weights) and its scores beside it after every 1,000 steps.

    Where `sharp` is above 0, every other picture is one of so many well lit, sharp crops of an iris.
    Where `textures` is above 0, surfaces and light are changed with so many drawn textures.
    """
    torch.manual_seed(seed)
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    sources = [dataset.cached(cache, count, 256, first_seed)]
    if sharp:
        sources.append(dataset.cached(cache, sharp, 256, first_seed + SHARP_OFFSET, "crop", mild=True))
    surfaces = dataset.cached_textures(cache, textures, TEXTURE_PX, TEXTURE_SEED) if textures else None
    held_out = dataset.cached(cache, 600, 256, HELD_OUT_SEED)
    net = UNet().to(device, memory_format=torch.channels_last)
    if resume:
        net.load_state_dict(weights_of(out))
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
                images, truth, eye = (t.to(device) for t in _batch(rng, sources, surfaces, stage))
                with torch.autocast(device, torch.bfloat16):
                    logits, glint, presence = net(images.float().contiguous(memory_format=torch.channels_last))
                loss = loss_of(logits.float(), glint.float(), presence.float(), truth, eye)
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
