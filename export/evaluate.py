"""Scores the whole segmentation (all passes, all checks) on a folder of photos."""

import asyncio
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from export import eyes
from orchestrator.errors import IrisvueError
from orchestrator.inference.local import LocalInfer
from orchestrator.pipeline.crop import crop_iris
from orchestrator.pipeline.geometry import whole
from orchestrator.pipeline.images import Mask, Pixels, decode
from orchestrator.pipeline.reflections import remove_reflections
from orchestrator.pipeline.segment import IrisMasks, segment

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


FIRST_SEED = 9_800_000  # held out: training draws from 1,000,000 to 4,000,000


def _segmented(drawn: eyes.Drawn, infer: LocalInfer) -> IrisMasks | None:
    try:
        return asyncio.run(segment(drawn.image, infer))
    except IrisvueError:
        return None


def _psnr(found: Pixels, truth: Pixels, where: Mask) -> float:
    error = np.square(found[where].astype(float) - truth[where]).mean()
    return float(10 * np.log10(255**2 / max(error, 1e-3)))


def _reflection_scores(drawn: eyes.Drawn, masks: IrisMasks) -> tuple[list[int], list[float]] | None:
    """Pixels hit, found and true; PSNR inside the reflection: untouched, by grey > 240 and Telea, by ours."""
    crop, clean = crop_iris(drawn.image, masks, 1024), crop_iris(drawn.clean, masks, 1024).picture
    truth = np.repeat(drawn.reflection[..., None], 3, axis=2).astype(np.uint8)
    shine = (crop_iris(truth, masks, 1024).picture[..., 0] > 0) & crop.masks.iris
    if shine.sum() < 50:
        return None
    cleaned = remove_reflections(crop.picture, crop.masks)
    bright = (cv2.cvtColor(crop.picture, cv2.COLOR_RGB2GRAY) > 240).astype(np.uint8)
    reference = np.asarray(cv2.inpaint(crop.picture, bright, 3, cv2.INPAINT_TELEA), np.uint8)
    found = cleaned.highlights
    pixels = [int((found & shine).sum()), int(found.sum()), int(shine.sum())]
    return pixels, [_psnr(p, clean, shine) for p in (crop.picture, reference, cleaned.photo)]


def evaluate_drawn(count: int, repository: Path) -> None:
    """Print scores on `count` held-out drawn eyes (as phones take them), as many without an eye, and reflections."""
    infer = LocalInfer(repository)
    ious, refused, accepted = [], 0, 0
    for seed in track(range(FIRST_SEED, FIRST_SEED + count), "Eyes"):
        drawn = eyes.draw(seed, 480, 360, "closeup")
        masks = _segmented(drawn, infer) if drawn.is_eye else None
        refused += drawn.is_eye and masks is None
        ious += [_iou(masks.iris, drawn.iris | drawn.pupil)] if masks else []
    for seed in track(range(FIRST_SEED + 10_000, FIRST_SEED + 10_000 + count), "No eyes"):
        accepted += _segmented(eyes.draw(seed, 480, 360, "trap" if seed % 2 else "shut"), infer) is not None
    rows = []
    for seed in track(range(FIRST_SEED + 20_000, FIRST_SEED + 20_000 + count), "Reflections"):
        drawn = eyes.draw(seed, 480, 360, "closeup", mild=True)
        masks = _segmented(drawn, infer)
        row = _reflection_scores(drawn, masks) if masks else None
        rows += [row] if row else []
    say = Console().print
    say(f"IoU mean {np.mean(ious):.3f}, tenth percentile {np.quantile(ious, 0.1):.3f}, of {len(ious)}")
    say(f"eyes refused {refused} of {len(ious) + refused}; pictures without an eye accepted {accepted} of {count}")
    hit, found, true = np.sum([r[0] for r in rows], axis=0)
    dB = np.mean([r[1] for r in rows], axis=0)
    say(
        f"reflections ({len(rows)}): recall {hit / true:.2f}, precision {hit / found:.2f}; PSNR inside them "
        f"{dB[0]:.1f} dB untouched, {dB[1]:.1f} dB by grey > 240 and Telea, {dB[2]:.1f} dB by ours"
    )
