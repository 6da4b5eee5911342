"""Draws training pictures once and keeps them in a folder: drawing costs as much as a training step."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from rich.progress import track

from export.drawing import eyes
from export.drawing.textures import draw_texture

BACKGROUND, IRIS, PUPIL, SCLERA = range(4)
REFLECTION_BIT = 128

Job = TypeVar("Job")
Picture = TypeVar("Picture")


@dataclass(frozen=True)
class Pictures:
    """Cached pictures: `images` (N, S, S, 3) uint8, `labels` (N, S, S) class | REFLECTION_BIT, `is_eye` (N,) bool."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    is_eye: NDArray[np.bool_]


@dataclass(frozen=True)
class EyeJob:
    """What `eyes.draw` is called with."""

    seed: int
    side_px: int
    kind: eyes.Kind | None
    mild: bool


@dataclass(frozen=True)
class TextureJob:
    """What `draw_texture` is called with."""

    seed: int
    side_px: int


def label(drawn: eyes.Drawn) -> NDArray[np.uint8]:
    """The class of every pixel of a drawn picture, with REFLECTION_BIT set where a reflection covers it."""
    out = np.full(drawn.iris.shape, BACKGROUND, np.uint8)
    out[drawn.sclera], out[drawn.iris], out[drawn.pupil] = SCLERA, IRIS, PUPIL
    out[drawn.reflection] |= REFLECTION_BIT
    return out


def classes(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Labels without REFLECTION_BIT."""
    return labels & ~np.uint8(REFLECTION_BIT)


def eye_pictures(
    folder: Path, count: int, side_px: int, first_seed: int, kind: eyes.Kind | None = None, mild: bool = False
) -> Pictures:
    """Read `count` pictures with seeds from `first_seed` on from `folder`; they are drawn the first time."""
    name = f"{kind or 'all'}{'-mild' if mild else ''}-{side_px}px-{count}-from-{first_seed}"
    paths = [folder / f"{name}.{part}.npy" for part in ("images", "labels", "is_eye")]
    if not paths[-1].exists():
        folder.mkdir(parents=True, exist_ok=True)
        images = open_memmap(paths[0], "w+", np.uint8, (count, side_px, side_px, 3))
        labels = open_memmap(paths[1], "w+", np.uint8, (count, side_px, side_px))
        is_eye = np.zeros(count, bool)
        jobs = [EyeJob(seed, side_px, kind, mild) for seed in range(first_seed, first_seed + count)]
        for i, drawn in enumerate(_in_parallel(_draw_eye, jobs, "Drawing")):
            images[i], labels[i], is_eye[i] = drawn
        images.flush()
        labels.flush()
        np.save(paths[-1], is_eye)  # last: its presence says that all three files are complete
    return Pictures(np.load(paths[0], "r"), np.load(paths[1], "r"), np.load(paths[2]))


def textures(folder: Path, count: int, side_px: int, first_seed: int) -> NDArray[np.uint8]:
    """Read `count` textures with seeds from `first_seed` on, (N, S, S, 3), from `folder`; drawn the first time."""
    path = folder / f"textures-{side_px}px-{count}-from-{first_seed}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        jobs = [TextureJob(seed, side_px) for seed in range(first_seed, first_seed + count)]
        drawn = list(_in_parallel(_draw_texture, jobs, "Drawing textures"))
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.save(file, np.stack(drawn))
        part.replace(path)
    return np.asarray(np.load(path, "r"))


def _draw_eye(job: EyeJob) -> tuple[NDArray[np.uint8], NDArray[np.uint8], bool]:
    cv2.setNumThreads(1)
    drawn = eyes.draw(job.seed, job.side_px, job.side_px, job.kind, job.mild)
    return drawn.image, label(drawn), drawn.is_eye


def _draw_texture(job: TextureJob) -> NDArray[np.uint8]:
    cv2.setNumThreads(1)
    return draw_texture(job.seed, job.side_px)


def _in_parallel(draw: Callable[[Job], Picture], jobs: list[Job], title: str) -> Iterator[Picture]:
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        yield from track(pool.map(draw, jobs, chunksize=8), title, total=len(jobs))
