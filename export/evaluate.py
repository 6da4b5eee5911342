"""Scores the whole segmentation (all passes, all checks) on a folder of photos."""

import asyncio
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from orchestrator.errors import IrisvueError
from orchestrator.inference.local import LocalInfer
from orchestrator.pipeline.geometry import whole
from orchestrator.pipeline.images import Mask, Pixels, decode
from orchestrator.pipeline.segment import segment

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".heic"}
MASK_FROM = 128  # grey levels: 170 iris, 255 pupil


def _iou(found: Mask, truth: Mask) -> float:
    return float((found & truth).sum() / max(int((found | truth).sum()), 1))


def _overlay(photo: Pixels, mask: Mask) -> Pixels:
    out = photo.copy()
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return np.asarray(cv2.drawContours(out, outlines, -1, (0, 255, 0), max(1, max(photo.shape) // 300)), np.uint8)


async def _one(path: Path, infer: LocalInfer, truth: Path | None, out: Path | None) -> tuple[str, str, str]:
    photo = decode(path.read_bytes(), 50_000_000)
    cut = whole(photo).cut(photo, infer.segment_px)
    presence = float((await infer.segment(cut[None])).presence[0])
    try:
        masks = await segment(photo, infer)
    except IrisvueError as error:
        return f"{presence:.2f}", error.code, ""
    if out:
        out.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(out / f"{path.stem}.png"), _overlay(photo, masks.iris)[..., ::-1])
    wanted = truth / f"{path.stem}.png" if truth else None
    score = ""
    if wanted and wanted.exists():
        grey = np.asarray(cv2.imread(str(wanted), cv2.IMREAD_GRAYSCALE), np.uint8)
        grey = np.asarray(cv2.resize(grey, (photo.shape[1], photo.shape[0]), interpolation=cv2.INTER_NEAREST))
        score = f"{_iou(masks.iris, grey >= MASK_FROM):.3f}"
    return f"{presence:.2f} → {masks.presence:.2f}", f"r {masks.circle.radius:.0f} px", score


def evaluate(photos: Path, truth: Path | None, out: Path | None, repository: Path) -> None:
    """Print what was found, and IoU of iris with pupil, for each photo of a folder; overlays go to `out`."""
    infer = LocalInfer(repository)
    table = Table("photo", "presence", "found", "IoU")
    scores = []
    for path in sorted(p for p in photos.iterdir() if p.suffix.lower() in SUFFIXES):
        row = asyncio.run(_one(path, infer, truth, out))
        scores += [float(row[2])] if row[2] else []
        table.add_row(path.name, *row)
    Console().print(table)
    if scores:
        Console().print(f"mean IoU {np.mean(scores):.3f}, lowest {min(scores):.3f}, of {len(scores)}")
