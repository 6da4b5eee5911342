"""The golden set: pictures with known truth that both the candidate and the version in use have to answer.

`segment/NAME.png` is an input of the segmenter; `segment/NAME.mask.png` beside it is the iris with its pupil. Without a
mask there is no open human eye in the picture. `enlarge/NAME.jpg` is what the enhancer should make of a tile; the tile
itself is made from it by averaging 4 × 4 pixels. The shipped pictures are drawn by `python -m export golden`; half of
the large ones are drawn small and enlarged by x4plus, so that detail as photos have it is compared. A further folder
may be added.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import SetupError
from orchestrator.inference.protocol import SCALE, SEGMENTER
from orchestrator.pipeline.pixels import Mask, Pixels

SHIPPED = Path(__file__).parent / "golden_pictures"


@dataclass(frozen=True)
class GoldenPicture:
    """A network's input, with the truth: a mask (None: no eye) for the segmenter, a large picture for the enhancer."""

    name: str
    image: Pixels
    mask: Mask | None = None
    large: Pixels | None = None


def load_golden(model: str, side_px: int, folder: Path | None = None) -> list[GoldenPicture]:
    """The golden pictures for a model with inputs of `side_px` squared: the shipped ones, then those in `folder`.

    Raises:
        SetupError: `folder` is missing or has no pictures for this model, or one of them can't be read.
    """
    kind, read = ("segment", _segmenter_picture) if model == SEGMENTER else ("enlarge", _enhancer_picture)
    if folder and not folder.is_dir():
        raise SetupError(f"There is no folder {folder}.")
    if folder and not any((folder / kind).glob("*")):
        raise SetupError(f"{folder} has no pictures in {kind}/ (orchestrator/publishing/golden.py shows the layout).")
    folders = [SHIPPED, folder] if folder else [SHIPPED]
    paths = [path for each in folders for path in sorted((each / kind).glob("*")) if ".mask" not in path.name]
    return [read(path, side_px) for path in paths]


def _segmenter_picture(path: Path, side_px: int) -> GoldenPicture:
    image = _read(path, cv2.IMREAD_COLOR_RGB)
    mask_path = path.with_name(f"{path.stem}.mask.png")
    mask = _read(mask_path, cv2.IMREAD_GRAYSCALE) if mask_path.exists() else None
    size = (side_px, side_px)
    if image.shape[:2] != size:
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        mask = None if mask is None else np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    return GoldenPicture(path.stem, image, mask=None if mask is None else mask > 0)


def _enhancer_picture(path: Path, side_px: int) -> GoldenPicture:
    large = _read(path, cv2.IMREAD_COLOR_RGB)
    size = (side_px * SCALE, side_px * SCALE)
    if large.shape[:2] != size:
        large = np.asarray(cv2.resize(large, size, interpolation=cv2.INTER_AREA), np.uint8)
    tile = np.asarray(cv2.resize(large, (side_px, side_px), interpolation=cv2.INTER_AREA), np.uint8)
    return GoldenPicture(path.stem, tile, large=large)


def _read(path: Path, flags: int) -> NDArray[np.uint8]:
    picture = cv2.imread(str(path), flags)
    if picture is None:
        raise SetupError(f"{path} can't be read as a picture.")
    return np.asarray(picture, np.uint8)
