"""The files that a finished photo leaves on disk."""

import json
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

from irisvue import Job
from orchestrator.errors import SetupError
from orchestrator.pipeline.images import decode
from orchestrator.pipeline.pixels import Pixels
from orchestrator.pipeline.steps import WORDS

SIDE_BY_SIDE_PX = 900
GAP_PX = 24


def folders_for(photos: list[Path], out: Path) -> list[Path]:
    """A folder under `out` for each photo, named after it; with the suffix or a number where two share a name."""
    stems = Counter(photo.stem for photo in photos)
    names = [photo.stem if stems[photo.stem] == 1 else photo.name for photo in photos]
    return [out / (name if names.index(name) == at else f"{name}-{at + 1}") for at, name in enumerate(names)]


def write_files(folder: Path, photo: Path, job: Job, result: bytes, mask: bytes) -> dict[str, Path]:
    """Write result.jpg, mask.png, before_after.png and timings.json; returns their paths.

    Raises:
        SetupError: the picture could not be written.
        OSError: another file could not be.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / name for name in ("result.jpg", "mask.png", "before_after.png", "timings.json")}
    paths["result.jpg"].write_bytes(result)
    paths["mask.png"].write_bytes(mask)
    before, after = decode(photo.read_bytes(), 10**9), decode(result, 10**9)
    write_picture(paths["before_after.png"], before_after(before, after))
    timings = {step: (job.step_ms or {}).get(step) for step in WORDS} | {"total": job.processing_time_ms}
    paths["timings.json"].write_text(json.dumps(timings, indent=2) + "\n")
    return paths


def write_picture(path: Path, picture: Pixels) -> None:
    """Write a picture in the format that the suffix of `path` names. Raises SetupError where it can't be written."""
    try:
        written = cv2.imwrite(str(path), picture[..., ::-1])
    except cv2.error:  # no such format
        written = False
    if not written:
        raise SetupError(f"The picture {path} can't be written. Check its folder, its suffix and the free space.")


def before_after(before: Pixels, after: Pixels) -> Pixels:
    """Both pictures at one height, side by side on black."""
    both = [_at_height(before), np.zeros((SIDE_BY_SIDE_PX, GAP_PX, 3), np.uint8), _at_height(after)]
    return np.concatenate(both, axis=1)


def _at_height(picture: Pixels) -> Pixels:
    width = max(round(picture.shape[1] * SIDE_BY_SIDE_PX / picture.shape[0]), 1)
    return np.asarray(cv2.resize(picture, (width, SIDE_BY_SIDE_PX), interpolation=cv2.INTER_AREA), np.uint8)
