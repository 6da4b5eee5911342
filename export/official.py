"""Real-ESRGAN's published weights (BSD-3-Clause) as a version for Triton: checked, loaded safely, exported, compared.

Sizes and sha256 sums as stated in public files that use them; the releases of github.com/xinntao/Real-ESRGAN hold the
files. They are not shipped with this project.
"""

import hashlib
import os
import pickle
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.progress import wrap_file
from torch import Tensor, nn

from export.architectures import RRDBNet, SRVGGNetCompact

State = dict[str, Tensor]
KEYS = ("params_ema", "params")
RELEASES = "https://github.com/xinntao/Real-ESRGAN/releases/download"
WEAK_DENOISE = "realesr-general-wdn-x4v3.pth"


class WrongWeights(Exception):
    """The file is not what was asked for; the message says what was expected, what was found and what to do."""


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
    "realesr-general-x4v3.pth": Official(
        f"{RELEASES}/v0.2.5.0/realesr-general-x4v3.pth",
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


def known(path: Path) -> Official:
    """What is published under the file's name.

    Raises:
        WrongWeights: nothing is.
    """
    if path.name not in OFFICIAL:
        raise WrongWeights(f"{path.name} is none of the published files: {', '.join(OFFICIAL)}. Keep their names.")
    return OFFICIAL[path.name]


def check(path: Path) -> Official:
    """Compare size and sha256 with the published ones, before anything of the file is read as weights.

    Raises:
        WrongWeights: missing, cut off or another file.
    """
    official = known(path)
    if not path.is_file():
        raise WrongWeights(f"{path} is not there. Get it from {official.url}, or add --download.")
    size = path.stat().st_size
    if size != official.size:
        raise WrongWeights(
            f"{path} has {size:,} bytes, expected {official.size:,}: cut off? Get it again from {official.url}"
        )
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != official.sha256:
        raise WrongWeights(f"{path} has sha256 {found}, expected {official.sha256}. Get it again from {official.url}")
    return official


def download(path: Path) -> None:
    """Fetch a published file to `path`, unless it is there and right; nothing is left of a file that is not.

    Raises:
        WrongWeights: no connection, or what came is another file.
    """
    official = known(path)
    if path.is_file():
        check(path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.parent / f".{os.getpid()}.part"
    beside.mkdir()
    part = beside / path.name
    try:
        with urllib.request.urlopen(official.url, timeout=60) as answer, part.open("wb") as file:  # noqa: S310
            with wrap_file(answer, official.size, description=path.name) as bar:
                while piece := bar.read(1 << 16):
                    file.write(piece)
        check(part)
        part.replace(path)
    except OSError as error:
        raise WrongWeights(f"{official.url} can't be reached: {error}. Fetch it elsewhere; then: --weights") from error
    finally:
        part.unlink(missing_ok=True)
        beside.rmdir()


def read(path: Path) -> State:
    """The state dict of a published file, read with `weights_only`: no code in a pickle is run.

    Raises:
        WrongWeights: not the published file, or not a state dict.
    """
    check(path)
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise WrongWeights(f"{path} can't be read as weights: {error}") from error
    state = next((saved[key] for key in KEYS if key in saved), saved)
    return {name: value for name, value in state.items() if isinstance(value, Tensor)}


def fill(net: nn.Module, state: State, path: Path) -> nn.Module:
    """Load `state` into `net`; every name and shape has to fit.

    Raises:
        WrongWeights: another architecture; names the first few differences.
    """
    want = {name: tuple(value.shape) for name, value in net.state_dict().items()}
    have = {name: tuple(value.shape) for name, value in state.items()}
    wrong = [f"{n}: expected {want.get(n)}, found {have.get(n)}" for n in sorted(want.keys() | have.keys())
             if want.get(n) != have.get(n)]  # fmt: skip
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise WrongWeights(f"{path} holds another network than {type(net).__name__}. {'; '.join(wrong[:3])}{more}")
    net.load_state_dict(state, strict=True)
    return net


def network(weights: Path, denoise: float = 1.0) -> nn.Module:
    """The published network in `weights`.

    Args:
        weights: one of OFFICIAL by name.
        denoise: 0–1, for realesr-general-x4v3.pth alone: how much noise it removes. Below 1 its weights are mixed with
            those of WEAK_DENOISE beside it (deep network interpolation, Wang et al. 2019).

    Raises:
        WrongWeights: a file is not the published one, or `denoise` does not go with it.
    """
    net = known(weights).make()
    state = read(weights)
    if denoise < 1.0:
        if weights.name != "realesr-general-x4v3.pth":
            raise WrongWeights(f"--denoise goes with realesr-general-x4v3.pth; {weights.name} has one strength.")
        weak = read(weights.with_name(WEAK_DENOISE))
        state = {name: denoise * value + (1.0 - denoise) * weak[name] for name, value in state.items()}
    return fill(net, state, weights).eval()


def card(weights: Path, denoise: float, difference: float) -> str:
    """MODEL.md of an exported version."""
    official = known(weights)
    strength = f" Denoise strength {denoise:g} (mixed with {WEAK_DENOISE})." if denoise < 1.0 else ""
    reach = "349 px by formula" if official.make is RRDBNet else "34 px"
    return f"""# realesrgan: {weights.stem}

Published weights of Real-ESRGAN (Wang et al. 2021), BSD-3-Clause, {official.url}
sha256 `{official.sha256}`.{strength}

uint8 256 × 256 × 3 in, uint8 1024 × 1024 × 3 out, sRGB; ONNX float32, dynamic batch.
Largest difference to torch on random bytes: {difference:g} grey levels.

Its authors trained it on photos with a GAN loss: it invents fine texture that a person takes for real. How it does on
irises was not measured here. Tiles overlap by 20 px a side and its reach is {reach}, so a tile is not exactly what the
whole picture would give.
"""
