"""Real-ESRGAN's published weights (BSD-3-Clause): downloaded, checked, read safely, put into our own networks.

The files are in the releases of github.com/xinntao/Real-ESRGAN and are not shipped with this project. Their sizes and
sha256 sums are as stated in public files that use them.
"""

import hashlib
import os
import pickle
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import wrap_file
from torch import Tensor, nn

from export.networks.enhancers import RRDBNet, SRVGGNetCompact
from export.networks.errors import WrongWeights
from export.networks.real_esrgan_license import TEXT as LICENSE
from export.networks.weights import Weights

KEYS = ("params_ema", "params")  # under which a file holds its weights; the averaged ones are the better ones
RELEASES = "https://github.com/xinntao/Real-ESRGAN/releases/download"
GENERAL = "realesr-general-x4v3.pth"
WEAK_DENOISE = "realesr-general-wdn-x4v3.pth"


@dataclass(frozen=True)
class Official:
    """One published file."""

    url: str
    size: int
    sha256: str
    make: Callable[[], nn.Module]


OFFICIAL = {
    "RealESRGAN_x4plus.pth": Official(
        f"{RELEASES}/v0.1.0/RealESRGAN_x4plus.pth",
        67_040_989,
        "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
        RRDBNet,
    ),
    GENERAL: Official(
        f"{RELEASES}/v0.2.5.0/{GENERAL}",
        4_885_111,
        "8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
        SRVGGNetCompact,
    ),
    WEAK_DENOISE: Official(
        f"{RELEASES}/v0.2.5.0/{WEAK_DENOISE}",
        4_885_111,
        "1641f8c4464b9f097c9fdda5589273713f67cf59f3d909e0bd688f0cee269dca",
        SRVGGNetCompact,
    ),
}


def find(path: Path, files: Mapping[str, Official] = OFFICIAL) -> Official:
    """The published file of this name.

    Raises:
        WrongWeights: there is none.
    """
    if path.name not in files:
        raise WrongWeights(f"{path.name} is none of the published files: {', '.join(files)}. Keep their names.")
    return files[path.name]


def check(path: Path, official: Official) -> None:
    """Compare size and sha256 with the published ones, before anything of the file is read as weights.

    Raises:
        WrongWeights: missing, cut off or another file.
    """
    if not path.is_file():
        raise WrongWeights(f"{path} does not exist. Get it from {official.url}, or add --download.")
    size = path.stat().st_size
    if size != official.size:
        raise WrongWeights(
            f"{path} has {size:,} bytes, expected {official.size:,}: cut off? Get it again from {official.url}"
        )
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != official.sha256:
        raise WrongWeights(f"{path} has sha256 {sha256}, expected {official.sha256}. Get it again from {official.url}")


def download(path: Path, files: Mapping[str, Official] = OFFICIAL) -> None:
    """Fetch a published file to `path`, unless the right file exists already; a wrong one leaves nothing behind.

    Raises:
        WrongWeights: no connection, or what came is another file.
    """
    official = find(path, files)
    if path.is_file():
        check(path, official)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.parent / f".{os.getpid()}.part"
    folder.mkdir()
    part = folder / path.name
    try:
        with urllib.request.urlopen(official.url, timeout=60) as response, part.open("wb") as file:  # noqa: S310
            with wrap_file(response, official.size, description=path.name) as bar:
                while piece := bar.read(1 << 16):
                    file.write(piece)
        check(part, official)
        part.replace(path)
    except OSError as error:
        raise WrongWeights(f"{official.url} can't be reached: {error}. Fetch it elsewhere; then: --weights") from error
    finally:
        part.unlink(missing_ok=True)
        folder.rmdir()


def read(path: Path, official: Official) -> Weights:
    """The weights in a published file, read with `weights_only`: no code in a pickle is run.

    Raises:
        WrongWeights: not the published file, or none that holds weights.
    """
    check(path, official)
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise WrongWeights(f"{path} can't be read as weights: {error}") from error
    weights = next((saved[key] for key in KEYS if key in saved), saved)
    return {name: value for name, value in weights.items() if isinstance(value, Tensor)}


def fill(net: nn.Module, weights: Weights, path: Path) -> nn.Module:
    """Load `weights` into `net`; every name and shape has to fit.

    Raises:
        WrongWeights: another architecture; names the first three differences.
    """
    expected = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    actual = {name: tuple(value.shape) for name, value in weights.items()}
    names = sorted(expected.keys() | actual.keys())
    wrong = [
        f"{n}: expected {expected.get(n)}, found {actual.get(n)}" for n in names if expected.get(n) != actual.get(n)
    ]
    if wrong:
        rest = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise WrongWeights(f"{path} holds another network than {type(net).__name__}. {'; '.join(wrong[:3])}{rest}")
    net.load_state_dict(weights, strict=True)
    return net


def network(path: Path, denoise: float = 1.0, files: Mapping[str, Official] = OFFICIAL) -> nn.Module:
    """The published network in the file at `path`.

    Args:
        path: its name is one of `files`.
        denoise: 0–1, for realesr-general-x4v3.pth alone: how much noise it removes. Below 1 its weights are mixed with
            those of WEAK_DENOISE beside it (deep network interpolation, Wang et al. 2019).
        files: the published files by name.

    Raises:
        WrongWeights: a file is not the published one, or `denoise` does not go with it.
    """
    official = find(path, files)
    weights = read(path, official)
    if denoise < 1.0:
        if path.name != GENERAL:
            raise WrongWeights(f"--denoise goes with {GENERAL}; {path.name} has one strength.")
        weak = read(path.with_name(WEAK_DENOISE), files[WEAK_DENOISE])
        weights = {name: denoise * value + (1.0 - denoise) * weak[name] for name, value in weights.items()}
    return fill(official.make(), weights, path).eval()


def card(path: Path, denoise: float, difference: float, files: Mapping[str, Official] = OFFICIAL) -> str:
    """MODEL.md of an exported version."""
    official = find(path, files)
    strength = f" Denoise strength {denoise:g} (mixed with {WEAK_DENOISE})." if denoise < 1.0 else ""
    reach = "349 px by formula" if official.make is RRDBNet else "34 px"
    return f"""# realesrgan: {path.stem}

Published weights of Real-ESRGAN (Wang et al. 2021), BSD-3-Clause, {official.url}
sha256 `{official.sha256}`.{strength}

purpose: perceptual

uint8 256 × 256 × 3 in, uint8 1024 × 1024 × 3 out, sRGB; ONNX float32, dynamic batch.
Largest difference to torch on random bytes: {difference:g} grey levels.

## Where it fails

Its authors trained it on photos with a GAN loss: it invents fine texture that a viewer takes for real. How it does on
irises was not measured. Tiles overlap by 20 px a side and its reach is {reach}, so a tile is not exactly what the
undivided picture would give.

## Licence of the weights

{LICENSE}"""
