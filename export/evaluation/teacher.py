"""How near the enhancer comes to its teacher, x4plus, on the irises of photos that it was not fitted to."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import nn

from export.evaluation.enhancer import no_report
from export.evaluation.metrics import psnr
from export.evaluation.photos import MAX_PIXELS, photo_files
from export.training.degrade import SCALE
from export.training.lessons import taught
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.pipeline.enhance import upscale
from orchestrator.pipeline.images import decode
from orchestrator.pipeline.pixels import Pixels
from orchestrator.publishing import fidelity

IRIS_FROM = 160  # of a mask's grey levels: iris 170, pupil 255
LARGEST_PX, SMALLEST_PX = 128, 90  # of a crop's longer side, which is shrunk, and of its shorter side in the photo
HALF_SIDE = 0.55  # of the iris' extent
Scores = dict[str, tuple[float, float, float]]


def evaluate_nearness(photos: Path, truth: Path, teacher: nn.Module, repository: Path) -> Scores:
    """Print, for Lanczos, ours and the teacher, means over the irises that have a mask.

    Args:
        photos: folder of photos.
        truth: folder of masks with the same stem (PNG) on the photo's grid; others are left out.
        teacher: a ×4 network, (N, 3, H, W) 0–1, in the precision that its weights have.
        repository: of models; the newest version is used.

    Returns:
        By name: how much nearer to the teacher's picture than Lanczos in dB, the mean gradient as a multiple of
        Lanczos', and the consistency with the crop in dB.

    Raises:
        ValueError: no photo has a mask.
    """
    infer = OnnxInfer(repository)
    rows: dict[str, list[tuple[float, float, float]]] = {}
    for crop in track(list(_irises(photos, truth)), "Irises"):
        wanted = taught(teacher, crop[None])[0]
        lanczos = np.asarray(cv2.resize(crop, None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_LANCZOS4), np.uint8)
        ours = asyncio.run(upscale(crop, np.ones(crop.shape[:2], bool), infer, 1, no_report))
        for name, picture in (("Lanczos", lanczos), ("ours", ours), ("teacher", wanted)):
            nearer = psnr(picture, wanted) - psnr(lanczos, wanted)
            detail = fidelity.detail(picture) / fidelity.detail(lanczos)
            rows.setdefault(name, []).append((nearer, detail, fidelity.consistency_db(crop, picture)))
    if not rows:
        raise ValueError(f"No photo in {photos} has a mask in {truth} with an iris of {SMALLEST_PX} px.")
    table = Table("", "nearer than Lanczos", "detail", "consistency", "least")
    means: Scores = {}
    for name, scores in rows.items():
        nearer, detail, consistency = (float(mean) for mean in np.mean(scores, axis=0))
        means[name] = nearer, detail, consistency
        least = min(score[2] for score in scores)
        table.add_row(name, f"{nearer:+.2f} dB", f"× {detail:.2f}", f"{consistency:.1f} dB", f"{least:.1f} dB")
    Console(width=120).print(table, f"{len(rows['ours'])} irises")
    return means


def _irises(photos: Path, truth: Path) -> Iterator[Pixels]:
    for path in photo_files(photos):
        mask = cv2.imread(str(truth / f"{path.stem}.png"), cv2.IMREAD_GRAYSCALE)
        photo = decode(path.read_bytes(), MAX_PIXELS)
        if mask is None or mask.shape != photo.shape[:2] or not (mask >= IRIS_FROM).any():
            continue
        ys, xs = np.nonzero(mask >= IRIS_FROM)
        half = HALF_SIDE * max(np.ptp(ys), np.ptp(xs))
        centre = (ys.min() + ys.max()) // 2, (xs.min() + xs.max()) // 2
        crop = photo[tuple(slice(max(0, int(c - half)), int(c + half)) for c in centre)]
        if min(crop.shape[:2]) >= SMALLEST_PX:
            scale = min(1.0, LARGEST_PX / max(crop.shape[:2]))
            small = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            yield np.ascontiguousarray(small, np.uint8)
