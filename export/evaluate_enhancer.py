"""Scores the enhancer on sharp photos made small, beside Lanczos, and cuts out crops to look at."""

import asyncio
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from export.degrade import PUBLISHED, SCALE, high_order, shrink
from export.evaluate import SUFFIXES
from export.metrics import gmsd, psnr
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.pipeline.enhance import upscale
from orchestrator.pipeline.images import Pixels, decode

LONGEST_PX = 1024
STRENGTHS = {"degraded a little": 0.1, "degraded": PUBLISHED}  # of Real-ESRGAN's degradation
DRAWS = 3
CROP_PX = 192


async def _nobody(_: float) -> None:
    pass


def enlarge(picture: Pixels, infer: OnnxInfer) -> Pixels:
    """×4 by tiles, as in a job."""
    everywhere = np.ones(picture.shape[:2], bool)
    return asyncio.run(upscale(picture, everywhere, infer, 1, _nobody))


def lanczos(picture: Pixels) -> Pixels:
    """×4 by OpenCV's Lanczos, eight taps."""
    return np.asarray(cv2.resize(picture, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_LANCZOS4), np.uint8)


def _sharp(path: Path) -> Pixels:
    """The photo's middle, at most LONGEST_PX a side, in whole multiples of the scale."""
    photo = decode(path.read_bytes(), 50_000_000)
    height, width = (min(side, LONGEST_PX) // SCALE * SCALE for side in photo.shape[:2])
    top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
    return np.ascontiguousarray(photo[top : top + height, left : left + width])


def _busiest(photo: Pixels) -> tuple[slice, slice]:
    """The square of CROP_PX with the most edges."""
    edges = np.abs(cv2.Laplacian(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cv2.CV_32F))
    size = min(CROP_PX, *photo.shape[:2])
    mean = cv2.boxFilter(edges, -1, (size, size), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    inner = mean[: photo.shape[0] - size + 1, : photo.shape[1] - size + 1]
    y, x = np.unravel_index(int(inner.argmax()), inner.shape)
    return slice(int(y), int(y) + size), slice(int(x), int(x) + size)


def evaluate_enhancer(photos: Path, out: Path | None, repository: Path) -> dict[str, list[float]]:
    """Print PSNR and GMSD of the enhancer less Lanczos: on photos only shrunk, and degraded as in training.

    Args:
        photos: folder of sharp photos.
        out: gets, for each photo, the busiest square: truth; Lanczos and ours of it shrunk and at each strength.
        repository: of models; the newest version is used.

    Returns:
        For "shrunk" and each of STRENGTHS the mean gains in dB and in GMSD (positive: more like the truth).
    """
    infer = OnnxInfer(repository)
    table = Table("photo", "made small", "PSNR Lanczos → ours, dB", "GMSD Lanczos → ours")
    gains: dict[str, list[list[float]]] = {kind: [] for kind in ("shrunk", *STRENGTHS)}
    for number, path in enumerate(sorted(p for p in photos.iterdir() if p.suffix.lower() in SUFFIXES)):
        sharp = _sharp(path)
        rng = np.random.default_rng(number)
        smalls = [("shrunk", shrink(sharp))]
        smalls += [(kind, high_order(rng, sharp, much)) for kind, much in STRENGTHS.items() for _ in range(DRAWS)]
        strip = [sharp[_busiest(sharp)]]
        for turn, (kind, small) in enumerate(smalls):
            plain, ours = lanczos(small), enlarge(small, infer)
            values = psnr(plain, sharp), psnr(ours, sharp), gmsd(plain, sharp), gmsd(ours, sharp)
            gains[kind].append([values[1] - values[0], values[2] - values[3]])
            if turn in (0, 1, 1 + DRAWS):
                strip += [plain[_busiest(sharp)], ours[_busiest(sharp)]]
            table.add_row(path.name, kind, f"{values[0]:.2f} → {values[1]:.2f}", f"{values[2]:.4f} → {values[3]:.4f}")
        if out:
            out.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(out / f"{path.stem}.png"), np.concatenate(strip, axis=1)[..., ::-1])
    say = Console(width=120).print
    say(table)
    means = {kind: np.mean(rows, axis=0).tolist() for kind, rows in gains.items() if rows}
    for kind, (dB, similarity) in means.items():
        say(f"{kind}: {dB:+.2f} dB PSNR over Lanczos, GMSD better by {similarity:+.4f}, {len(gains[kind])} pictures")
    return means
