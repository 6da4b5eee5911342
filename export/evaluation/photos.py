"""Scores the segmentation with all its passes and checks on a folder of photos."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from export.evaluation.finish import Finish, finish_of, summary_of
from export.evaluation.groups import Outcome, gaps, group_table, read_manifest
from export.evaluation.metrics import iou, roc_area
from orchestrator.errors import IrisvueError
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.pipeline.geometry import enclosing_square
from orchestrator.pipeline.images import decode
from orchestrator.pipeline.pixels import Mask, Pixels
from orchestrator.pipeline.segment import IrisMasks, segment

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".heic", ".avif"}
MAX_PIXELS = 50_000_000
MASK_FROM = 128  # grey levels: 170 iris, 255 pupil
GOOD_IOU = 0.85


@dataclass(frozen=True)
class Row:
    """What became of one photo.

    `turn` is how many quarter turns it was given, counter-clockwise. `presence` is that of the whole frame. `masks` is
    None where the photo was refused, and `error` is then the API's error code. `iou` is None without a truth. `finish`
    is known of upright photos that were not refused.
    """

    name: str
    turn: int
    presence: float
    masks: IrisMasks | None
    error: str
    iou: float | None
    seconds: float
    finish: Finish | None

    @property
    def confidence(self) -> float:
        """0 where it was refused."""
        return self.masks.confidence if self.masks else 0.0


def photo_files(folder: Path) -> list[Path]:
    """The photos in a folder, in order of their names."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)


def evaluate_photos(
    photos: Path,
    truth: Path | None,
    out: Path | None,
    repository: Path,
    manifest: Path | None = None,
    turns: Sequence[int] = (0,),
) -> list[Row]:
    """Print what came of each photo in a folder, IoU of iris with pupil, and the confidence's ROC.

    Args:
        photos: folder; other files than pictures are skipped.
        truth: folder of PNG masks with the photos' stems; an all black one says that there is no open eye.
        out: folder for overlays to look at.
        repository: of models; the newest versions are used.
        manifest: CSV that says which groups the photos belong to, see `groups.read_manifest`.
        turns: how many quarter turns each photo is given.
    """
    infer = OnnxInfer(repository)
    rows = [asyncio.run(_evaluate(path, turn, infer, truth, out)) for path in photo_files(photos) for turn in turns]
    console = Console()
    console.print(_table(rows))
    if manifest:
        outcomes, groups = [Outcome(r.name, r.turn, r.masks is None, r.iou) for r in rows], read_manifest(manifest)
        console.print(group_table(outcomes, groups))
        for line in gaps(outcomes, groups):
            console.print(line)
    scored = [row for row in rows if row.iou is not None]
    if scored:
        ious = np.array([row.iou for row in scored])
        console.print(f"mean IoU {ious.mean():.3f}, lowest {ious.min():.3f}, spread {ious.std():.3f}, of {len(ious)}")
        area = roc_area(np.array([row.confidence for row in scored]), ious >= GOOD_IOU)
        console.print(f"confidence, IoU ≥ {GOOD_IOU} against the rest: area under the ROC curve {area:.3f}")
    for line in summary_of([(row.finish, row.iou) for row in rows if row.finish]):
        console.print(line)
    return rows


async def _evaluate(path: Path, turn: int, infer: OnnxInfer, truths: Path | None, out: Path | None) -> Row:
    upright = decode(path.read_bytes(), MAX_PIXELS)
    photo = np.ascontiguousarray(np.rot90(upright, turn))
    frame = enclosing_square(photo).cut(photo, infer.segment_px)
    presence = float((await infer.segment(frame[None])).presence[0])
    truth = _truth(truths / f"{path.stem}.png", upright) if truths else None
    started = time.perf_counter()
    try:
        masks = await segment(photo, infer)
    except IrisvueError as error:
        seconds = time.perf_counter() - started
        return Row(path.name, turn, presence, None, error.code, None if truth is None else 0.0, seconds, None)
    seconds = time.perf_counter() - started
    if out:
        out.mkdir(parents=True, exist_ok=True)
        name = f"{path.stem}.png" if turn == 0 else f"{path.stem}-{turn * 90}.png"
        cv2.imwrite(str(out / name), _overlay(photo, masks.iris)[..., ::-1])
    score = None if truth is None else iou(masks.iris, np.rot90(truth, turn))
    figures = finish_of(photo, masks) if turn == 0 else None
    return Row(path.name, turn, presence, masks, "", score, seconds, figures)


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
    table = Table("photo", "presence", "confidence", "iris", "IoU", "quality", "ms")
    for row in rows:
        iris = f"r {row.masks.circle.radius:.0f} px" if row.masks else row.error
        closer = f" → {row.masks.presence:.2f}" if row.masks else ""
        score = "" if row.iou is None else f"{row.iou:.3f}"
        name = row.name if row.turn == 0 else f"{row.name} {row.turn * 90}°"
        presence, milliseconds = f"{row.presence:.2f}{closer}", f"{row.seconds * 1000:.0f}"
        quality = f"{row.finish.quality:.2f}" if row.finish else ""
        table.add_row(name, presence, f"{row.confidence:.2f}", iris, score, quality, milliseconds)
    return table
