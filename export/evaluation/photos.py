"""Scores the segmentation with all its passes and checks on a folder of photos."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from export.evaluation.metrics import iou, roc_area
from orchestrator.errors import IrisvueError
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.pipeline.geometry import enclosing_square
from orchestrator.pipeline.images import Mask, Pixels, decode
from orchestrator.pipeline.segment import IrisMasks, segment

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".heic", ".avif"}
MAX_PIXELS = 50_000_000
MASK_FROM = 128  # grey levels: 170 iris, 255 pupil
GOOD_IOU = 0.85


@dataclass(frozen=True)
class Row:
    """What became of one photo.

    `presence` is that of the whole frame. `masks` is None where the photo was refused, and `error` is then the API's
    error code. `iou` is None without a truth.
    """

    name: str
    presence: float
    masks: IrisMasks | None
    error: str
    iou: float | None

    @property
    def confidence(self) -> float:
        """0 where it was refused."""
        return self.masks.confidence if self.masks else 0.0


def photo_files(folder: Path) -> list[Path]:
    """The photos in a folder, in order of their names."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def evaluate_photos(photos: Path, truth: Path | None, out: Path | None, repository: Path) -> list[Row]:
    """Print what came of each photo in a folder, IoU of iris with pupil, and the confidence's ROC.

    Args:
        photos: folder; other files than pictures are skipped.
        truth: folder of PNG masks with the photos' stems; an all black one says that there is no open eye.
        out: folder for overlays to look at.
        repository: of models; the newest versions are used.
    """
    infer = OnnxInfer(repository)
    rows = [asyncio.run(_evaluate(path, infer, truth, out)) for path in photo_files(photos)]
    console = Console()
    console.print(_table(rows))
    scored = [row for row in rows if row.iou is not None]
    if scored:
        ious = np.array([row.iou for row in scored])
        console.print(f"mean IoU {ious.mean():.3f}, lowest {ious.min():.3f}, spread {ious.std():.3f}, of {len(ious)}")
        area = roc_area(np.array([row.confidence for row in scored]), ious >= GOOD_IOU)
        console.print(f"confidence, IoU ≥ {GOOD_IOU} against the rest: area under the ROC curve {area:.3f}")
    return rows


async def _evaluate(path: Path, infer: OnnxInfer, truths: Path | None, out: Path | None) -> Row:
    photo = decode(path.read_bytes(), MAX_PIXELS)
    frame = enclosing_square(photo).cut(photo, infer.segment_px)
    presence = float((await infer.segment(frame[None])).presence[0])
    truth = _truth(truths / f"{path.stem}.png", photo) if truths else None
    try:
        masks = await segment(photo, infer)
    except IrisvueError as error:
        return Row(path.name, presence, None, error.code, None if truth is None else 0.0)
    if out:
        out.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(out / f"{path.stem}.png"), _overlay(photo, masks.iris)[..., ::-1])
    return Row(path.name, presence, masks, "", None if truth is None else iou(masks.iris, truth))


def _truth(path: Path, photo: Pixels) -> Mask | None:
    if not path.exists():
        return None
    grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    size = photo.shape[1], photo.shape[0]
    return np.asarray(cv2.resize(np.asarray(grey), size, interpolation=cv2.INTER_NEAREST) >= MASK_FROM, bool)


def _overlay(photo: Pixels, mask: Mask) -> Pixels:
    out = photo.copy()
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(out, outlines, -1, (0, 255, 0), max(1, max(photo.shape) // 300)), np.uint8)


def _table(rows: list[Row]) -> Table:
    """`presence` is that of the whole frame → that of the last, closest look."""
    table = Table("photo", "presence", "confidence", "iris", "IoU")
    for row in rows:
        iris = f"r {row.masks.circle.radius:.0f} px" if row.masks else row.error
        closer = f" → {row.masks.presence:.2f}" if row.masks else ""
        score = "" if row.iou is None else f"{row.iou:.3f}"
        table.add_row(row.name, f"{row.presence:.2f}{closer}", f"{row.confidence:.2f}", iris, score)
    return table
