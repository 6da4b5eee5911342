"""Draws training pictures once and keeps them in a folder: drawing costs as much as a training step."""

import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from rich.progress import track

from export import eyes
from export.drawing.textures import draw_texture

BACKGROUND, IRIS, PUPIL, SCLERA = range(4)
GLINT_BIT = 128


@dataclass(frozen=True)
class Pictures:
    """Cached pictures: `images` (N, S, S, 3) uint8, `labels` (N, S, S) class | GLINT_BIT, `is_eye` (N,)."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    is_eye: NDArray[np.bool_]


def label(drawn: eyes.Drawn) -> NDArray[np.uint8]:
    """The class of every pixel of a drawn picture, with GLINT_BIT set where a reflection covers it."""
    out = np.full(drawn.iris.shape, BACKGROUND, np.uint8)
    out[drawn.sclera], out[drawn.iris], out[drawn.pupil] = SCLERA, IRIS, PUPIL
    out[drawn.reflection] |= GLINT_BIT
    return out


def _draw(job: tuple[int, int, eyes.Kind | None, bool]) -> tuple[NDArray[np.uint8], NDArray[np.uint8], bool]:
    seed, side_px, kind, mild = job
    cv2.setNumThreads(1)
    drawn = eyes.draw(seed, side_px, side_px, kind, mild)
    return drawn.image, label(drawn), drawn.is_eye


def _texture(job: tuple[int, int]) -> NDArray[np.uint8]:
    cv2.setNumThreads(1)
    return draw_texture(*job)


def cached_textures(folder: Path, count: int, side_px: int, first_seed: int) -> NDArray[np.uint8]:
    """Read textures `first_seed` … `first_seed + count`, (N, S, S, 3), from `folder`; drawn the first time."""
    path = folder / f"textures-{side_px}px-{count}-from-{first_seed}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        jobs = [(first_seed + i, side_px) for i in range(count)]
        with ProcessPoolExecutor(os.cpu_count()) as pool:
            drawn = list(track(pool.map(_texture, jobs, chunksize=8), "Drawing textures", total=count))
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.save(file, np.stack(drawn))
        part.replace(path)
    return np.asarray(np.load(path, "r"))


def _drawn(jobs: list[tuple[int, int, eyes.Kind | None, bool]]) -> Iterator[tuple[np.ndarray, np.ndarray, bool]]:
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        yield from track(pool.map(_draw, jobs, chunksize=8), "Drawing", total=len(jobs))


def cached(
    folder: Path, count: int, side_px: int, first_seed: int, kind: eyes.Kind | None = None, mild: bool = False
) -> Pictures:
    """Read pictures `first_seed` … `first_seed + count` from `folder`, drawing them the first time."""
    name = f"{kind or 'all'}{'-mild' if mild else ''}-{side_px}px-{count}-from-{first_seed}"
    paths = [folder / f"{name}.{part}.npy" for part in ("images", "labels", "is_eye")]
    if not paths[-1].exists():
        folder.mkdir(parents=True, exist_ok=True)
        images = open_memmap(paths[0], "w+", np.uint8, (count, side_px, side_px, 3))
        labels = open_memmap(paths[1], "w+", np.uint8, (count, side_px, side_px))
        is_eye = np.zeros(count, bool)
        jobs = [(first_seed + i, side_px, kind, mild) for i in range(count)]
        for i, (image, truth, eye) in enumerate(_drawn(jobs)):
            images[i], labels[i], is_eye[i] = image, truth, eye
        images.flush()
        labels.flush()
        np.save(paths[-1], is_eye)  # last, so that a cut-off run is not taken for a whole one
    return Pictures(np.load(paths[0], "r"), np.load(paths[1], "r"), np.load(paths[2]))
