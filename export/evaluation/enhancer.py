"""Scores the enhancer on sharp photos made small, beside Lanczos, and cuts out crops to look at.

A network that was taught detail is further from the truth than Lanczos in PSNR, by design; so what people see is scored
as well: how much detail there is, and whether the result, made small again, is the picture that it was made from.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from export.evaluation.metrics import gmsd, psnr
from export.evaluation.photos import MAX_PIXELS, photo_files
from export.training.degrade import PUBLISHED, SCALE, high_order, shrink
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.pipeline.enhance import upscale
from orchestrator.pipeline.images import decode
from orchestrator.pipeline.pixels import Pixels
from orchestrator.publishing import fidelity

LONGEST_PX = 1024
STRENGTHS = {"degraded a little": 0.1, "degraded": PUBLISHED}  # of Real-ESRGAN's degradation
DRAWS = 3
SHOWN = (0, 1, 1 + DRAWS)  # of the small pictures: the shrunk one and the first of each strength
CROP_PX = 192


@dataclass(frozen=True)
class Enlarged:
    """A sharp photo that was made small, and enlarged again by Lanczos and by the enhancer."""

    kind: str
    small: Pixels
    sharp: Pixels
    lanczos: Pixels
    ours: Pixels

    @property
    def psnr(self) -> tuple[float, float]:
        """Of Lanczos and ours, dB."""
        return psnr(self.lanczos, self.sharp), psnr(self.ours, self.sharp)

    @property
    def gmsd(self) -> tuple[float, float]:
        """Of Lanczos and ours; lower is more alike."""
        return gmsd(self.lanczos, self.sharp), gmsd(self.ours, self.sharp)

    @property
    def detail(self) -> float:
        """Our mean gradient as a multiple of Lanczos'."""
        return fidelity.detail(self.ours) / fidelity.detail(self.lanczos)

    @property
    def consistency_dB(self) -> float:
        """Ours made small again against the small picture."""
        return fidelity.consistency_db(self.small, self.ours)


def evaluate_enhancer(photos: Path, out: Path | None, repository: Path) -> dict[str, list[float]]:
    """Print detail, consistency, and PSNR and GMSD less Lanczos': on photos only shrunk, and degraded as in training.

    Args:
        photos: folder of sharp photos.
        out: folder for crops: the busiest square of each photo, then Lanczos and ours of it, shrunk and degraded.
        repository: of models; the newest version is used.

    Returns:
        For "shrunk" and each of STRENGTHS the mean gains in dB and in GMSD (positive: more like the truth), the detail
        as a multiple of Lanczos', and the consistency in dB.
    """
    infer = OnnxInfer(repository)
    table = Table("photo", "made small", "PSNR Lanczos → ours, dB", "GMSD Lanczos → ours", "detail", "consistency")
    gains: dict[str, list[list[float]]] = {kind: [] for kind in ("shrunk", *STRENGTHS)}
    for number, path in enumerate(photo_files(photos)):
        sharp = _sharp(path)
        all_enlarged = [_enlarged(kind, small, sharp, infer) for kind, small in _made_small(sharp, number)]
        for enlarged in all_enlarged:
            dB, unlike = enlarged.psnr, enlarged.gmsd
            seen = enlarged.detail, enlarged.consistency_dB
            gains[enlarged.kind].append([dB[1] - dB[0], unlike[0] - unlike[1], *seen])
            table.add_row(
                path.name, enlarged.kind, f"{dB[0]:.2f} → {dB[1]:.2f}", f"{unlike[0]:.4f} → {unlike[1]:.4f}",
                f"× {seen[0]:.2f}", f"{seen[1]:.1f} dB",
            )  # fmt: skip
        if out:
            out.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(out / f"{path.stem}.png"), _strip(sharp, all_enlarged)[..., ::-1])
    console = Console(width=120)
    console.print(table)
    means = {kind: np.mean(rows, axis=0).tolist() for kind, rows in gains.items() if rows}
    for kind, (decibels, similarity, detail, consistency) in means.items():
        console.print(
            f"{kind}: {decibels:+.2f} dB PSNR over Lanczos, GMSD better by {similarity:+.4f}, "
            f"detail × {detail:.2f}, consistency {consistency:.1f} dB, {len(gains[kind])} pictures"
        )
    return means


def _made_small(sharp: Pixels, seed: int) -> list[tuple[str, Pixels]]:
    """The photo shrunk, and DRAWS times degraded at each of STRENGTHS."""
    rng = np.random.default_rng(seed)
    degraded = [(kind, high_order(rng, sharp, strength)) for kind, strength in STRENGTHS.items() for _ in range(DRAWS)]
    return [("shrunk", shrink(sharp)), *degraded]


def _enlarged(kind: str, small: Pixels, sharp: Pixels, infer: OnnxInfer) -> Enlarged:
    lanczos = cv2.resize(small, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_LANCZOS4)
    everywhere = np.ones(small.shape[:2], bool)
    ours = asyncio.run(upscale(small, everywhere, infer, 1, no_report))  # by tiles, as in a job
    return Enlarged(kind, small, sharp, np.asarray(lanczos, np.uint8), ours)


async def no_report(_: float) -> None:
    """Take no notice of how far the enhancer is."""


def _sharp(path: Path) -> Pixels:
    """The photo's middle, at most LONGEST_PX a side, both sides multiples of the scale."""
    photo = decode(path.read_bytes(), MAX_PIXELS)
    height, width = (min(side, LONGEST_PX) // SCALE * SCALE for side in photo.shape[:2])
    top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
    return np.ascontiguousarray(photo[top : top + height, left : left + width])


def _strip(sharp: Pixels, enlarged: list[Enlarged]) -> Pixels:
    """The busiest square of the photo; then Lanczos and ours of each that is SHOWN."""
    square = _busiest(sharp)
    cells = [sharp[square]]
    for n in SHOWN:
        cells += [enlarged[n].lanczos[square], enlarged[n].ours[square]]
    return np.concatenate(cells, axis=1)


def _busiest(photo: Pixels) -> tuple[slice, slice]:
    """The square of CROP_PX with the most edges."""
    edges = np.abs(cv2.Laplacian(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cv2.CV_32F))
    size = min(CROP_PX, *photo.shape[:2])
    mean = cv2.boxFilter(edges, -1, (size, size), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    inner = mean[: photo.shape[0] - size + 1, : photo.shape[1] - size + 1]
    y, x = np.unravel_index(int(inner.argmax()), inner.shape)
    return slice(int(y), int(y) + size), slice(int(x), int(x) + size)
