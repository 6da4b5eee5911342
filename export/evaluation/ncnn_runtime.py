"""The `ncnn` package's own runtime as an independent witness: it runs a ×4 network without any code of ours."""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime

from export.evaluation.metrics import psnr
from export.evaluation.photos import MAX_PIXELS
from export.networks.errors import WrongWeights
from orchestrator.config import ROOT
from orchestrator.pipeline.images import decode
from orchestrator.pipeline.pixels import Pixels

SIDE_PX = 48
CAPPED_DB = 78  # psnr() tells no smaller differences apart
ENOUGH_DB = 45.0  # what the rounding of weights to float16 explains; another network is below 20
WINDOWS = ((576, 776), (460, 640), (880, 540))  # top and left of tiles of the sample: a reflection, iris, lashes


@dataclass(frozen=True)
class Agreement:
    """How alike the answers of ncnn and ONNX Runtime are: on the tile where they are least alike, and in all."""

    tiles: int
    lowest_db: float
    differing: int
    values: int
    largest_levels: int

    def __str__(self) -> str:
        lowest = f"at least {CAPPED_DB} dB" if self.lowest_db >= CAPPED_DB else f"{self.lowest_db:.1f} dB or more"
        return (
            f"{lowest} on {self.tiles} tiles of {SIDE_PX} px; {self.differing:,} of {self.values:,} values differ, "
            f"by at most {self.largest_levels} of 255 levels"
        )


def installed() -> bool:
    """Whether there is an `ncnn` package."""
    return find_spec("ncnn") is not None


def sample_tiles() -> list[Pixels]:
    """Tiles of the drawn eye that is shipped as a sample."""
    picture = decode((ROOT / "orchestrator" / "embedded" / "sample.jpg").read_bytes(), MAX_PIXELS)
    return [picture[top : top + SIDE_PX, left : left + SIDE_PX] for top, left in WINDOWS]


def compare(param: Path, weights: Path, network: onnx.ModelProto, tiles: list[Pixels] | None = None) -> Agreement:
    """Run `tiles`, or those of the sample, through ncnn's files and through `network`, whose side is SIDE_PX.

    Raises:
        WrongWeights: ncnn can't run the files, or its answers are those of another network.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(network.SerializeToString(), options, providers=["CPUExecutionProvider"])
    scores, differences = [], []
    for tile in sample_tiles() if tiles is None else tiles:
        expected = enlarge(param, weights, tile)
        (actual,) = session.run(None, {"tile": tile[None]})[0]
        scores.append(psnr(actual, expected))
        differences.append(cv2.absdiff(actual, expected))
    every = np.stack(differences)
    agreement = Agreement(len(scores), min(scores), int((every > 0).sum()), every.size, int(every.max()))
    if agreement.lowest_db < ENOUGH_DB:
        raise WrongWeights(
            f"ncnn's own runtime answers differently: expected {ENOUGH_DB:g} dB or more, but: {agreement}."
        )
    return agreement


def enlarge(param: Path, weights: Path, tile: Pixels) -> Pixels:
    """One tile (H, W, 3) → (4H, 4W, 3) by ncnn, on one core. H · W has to be a multiple of 4: ncnn aligns planes so.

    Raises:
        WrongWeights: ncnn can't load or run the files.
    """
    ncnn: Any = import_module("ncnn")
    net = ncnn.Net()
    net.opt.use_vulkan_compute = False
    net.opt.num_threads = 1
    if net.load_param(str(param)) != 0 or net.load_model(str(weights)) != 0:
        raise WrongWeights(f"ncnn can't load {param} and {weights}.")
    planes = np.ascontiguousarray(tile.transpose(2, 0, 1) / np.float32(255))  # ncnn.Mat borrows its memory
    run = net.create_extractor()
    run.input("data", ncnn.Mat(planes))
    status, answer = run.extract("output")
    if status != 0:
        raise WrongWeights(f"ncnn can't run {weights}.")
    levels = (np.array(answer).clip(0, 1) * 255).round().astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(1, 2, 0))
