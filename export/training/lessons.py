"""Lessons for the enhancer: small pictures, and what a large network, the teacher, makes of them.

The small ones are windows of drawn eyes, of textures, of photos whose licence allows it, and of what the teacher made
of earlier ones, which looks more like a photo than a drawing does. Most are only shrunk, as crops of good photos are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track
from torch import nn

from export.drawing import eyes
from export.drawing.camera import through_jpeg
from export.drawing.textures import draw_texture

SIDE_PX = 64
CHUNK, BATCH = 16, 4  # lessons in a file; pictures that the teacher gets at once
FIRST_SEED, LAST_SEED = 3_000_000, 60_000_000  # of drawings
EYES, TEXTURES, PHOTOS = 0.40, 0.12, 0.28  # shares; the rest are windows of earlier lessons
EYE_KINDS: dict[eyes.Kind, float] = {"crop": 0.5, "closeup": 0.2, "phone": 0.25, "shut": 0.05}
OTHER_LIGHT, DEGRADED = 0.6, 0.2  # shares

Pixels = NDArray[np.uint8]
Floats = NDArray[np.float32]
Rng = np.random.Generator


@dataclass(frozen=True)
class Lessons:
    """`small` (N, S, S, 3) and `large` (N, 4S, 4S, 3), uint8 sRGB."""

    small: Pixels
    large: Pixels


def lessons(folder: Path, teacher: nn.Module, count: int, seed: int, photos: Sequence[Pixels] = ()) -> Lessons:
    """Read at least `count` lessons from `folder`; those that are missing are made, and stopping costs one file.

    Args:
        folder: one for each teacher and each set of photos.
        teacher: a ×4 network, (N, 3, H, W) 0–1, in the precision that its weights have.
        count: rounded up to whole files of CHUNK.
        seed: of the first file.
        photos: (H, W, 3) uint8, each side at least SIDE_PX.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{seed + n}.npz" for n in range(-(-count // CHUNK))]
    earlier: Pixels | None = None
    for n, path in enumerate(track(paths, "Lessons")):
        if not path.exists():
            rng = np.random.default_rng(seed + n)
            small = np.stack([_varied(rng, w) for w in _windows(rng, photos, earlier)])
            part = path.with_suffix(".part.npz")
            np.savez(part, small=small, large=taught(teacher, small))
            part.replace(path)
        earlier = np.load(path)["large"]
    files = [np.load(path) for path in paths]
    return Lessons(*(np.concatenate([file[name] for file in files]) for name in ("small", "large")))


@torch.inference_mode()
def taught(teacher: nn.Module, small: Pixels) -> Pixels:
    """What the teacher makes of (N, S, S, 3): (N, 4S, 4S, 3)."""
    precision = next(teacher.parameters()).dtype
    large = []
    for start in range(0, len(small), BATCH):
        planes = torch.from_numpy(small[start : start + BATCH]).permute(0, 3, 1, 2).to(precision) / 255
        answer = teacher(planes.contiguous(memory_format=torch.channels_last)).float().clamp(0, 1)
        large.append((answer * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy())
    return np.concatenate(large)


def _windows(rng: Rng, photos: Sequence[Pixels], earlier: Pixels | None) -> Iterator[Pixels]:
    """CHUNK small pictures."""
    cut = 0
    while True:
        for window in _of_one_source(rng, photos, earlier):
            yield window
            cut += 1
            if cut == CHUNK:
                return


def _of_one_source(rng: Rng, photos: Sequence[Pixels], earlier: Pixels | None) -> list[Pixels]:
    dice = rng.random()
    if dice < EYES:
        return _of_an_eye(rng)
    if dice < EYES + TEXTURES or not (photos or earlier is not None):
        texture = draw_texture(int(rng.integers(FIRST_SEED, LAST_SEED)), 256)
        return [_window(rng, texture, float(rng.uniform(1, 3))) for _ in range(2)]
    if photos and (dice < EYES + TEXTURES + PHOTOS or earlier is None):
        photo = photos[int(rng.integers(len(photos)))]
        most = min(5.0, min(photo.shape[:2]) / SIDE_PX)
        return [_window(rng, photo, float(np.exp(rng.uniform(0, np.log(most))))) for _ in range(2)]
    large = earlier if earlier is not None else photos
    return [_window(rng, large[int(rng.integers(len(large)))], float(rng.uniform(1.3, 3))) for _ in range(2)]


def _of_an_eye(rng: Rng) -> list[Pixels]:
    side = int(rng.integers(200, 640))
    kind: eyes.Kind = rng.choice(list(EYE_KINDS), p=list(EYE_KINDS.values()))
    drawn = eyes.draw(int(rng.integers(FIRST_SEED, LAST_SEED)), side, side, kind, mild=bool(rng.random() < 0.7))
    picture = drawn.clean if rng.random() < 0.3 else drawn.image
    return [_window(rng, picture, min(float(np.exp(rng.uniform(0, np.log(3)))), side / SIDE_PX)) for _ in range(3)]


def _window(rng: Rng, picture: Pixels, times: float) -> Pixels:
    """A square of SIDE_PX · `times`, made SIDE_PX large; of up to three, the one with the most detail."""
    side = int(min(SIDE_PX * times, *picture.shape[:2]))
    most, best = -1.0, picture
    for _ in range(3):
        y, x = (int(rng.integers(length - side + 1)) for length in picture.shape[:2])
        window = picture[y : y + side, x : x + side]
        detail = float(np.abs(np.diff(window.astype(np.int16), axis=0)).mean())
        if detail > most:
            most, best = detail, window
        if rng.random() < 0.3:
            break
    how = cv2.INTER_AREA if side > SIDE_PX else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(best, (SIDE_PX, SIDE_PX), interpolation=how), np.uint8)


def _varied(rng: Rng, window: Pixels) -> Pixels:
    """Turned, flipped, often in other light, one in five a little degraded."""
    x: Floats = np.rot90(window, int(rng.integers(4))).astype(np.float32)
    if rng.random() < 0.5:
        x = x[:, ::-1]
    if rng.random() < OTHER_LIGHT:
        x = _in_other_light(rng, x)
    if rng.random() >= DEGRADED:
        return _bytes(x)
    if rng.random() < 0.5:
        x = np.asarray(cv2.GaussianBlur(np.ascontiguousarray(x), (0, 0), float(rng.uniform(0.3, 1.2))), np.float32)
    if rng.random() < 0.7:
        channels = 1 if rng.random() < 0.5 else 3
        x = np.asarray(x + rng.normal(0, rng.uniform(1, 7), (*x.shape[:2], channels)), np.float32)
    return through_jpeg(_bytes(x), int(rng.integers(60, 96))) if rng.random() < 0.6 else _bytes(x)


def _in_other_light(rng: Rng, x: Floats) -> Floats:
    """Brighter or darker, of another colour, now and then with its channels exchanged."""
    curved = 255 * (x / 255) ** float(np.exp(rng.uniform(-0.4, 0.4)))
    lit = curved * rng.uniform(0.85, 1.15, 3) * rng.uniform(0.7, 1.1)
    return np.asarray(lit[..., rng.permutation(3)] if rng.random() < 0.3 else lit, np.float32)


def _bytes(x: Floats) -> Pixels:
    return np.ascontiguousarray(np.clip(x + 0.5, 0, 255).astype(np.uint8))
