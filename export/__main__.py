"""`python -m export …`: draw pictures, train the networks, write them into the model repository, score them."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__, pretty_exceptions_enable=False)
Cache = Annotated[Path, typer.Option(help="Where drawn pictures and weights are kept.")]
Device = Annotated[str, typer.Option(help="cpu or cuda.")]
CACHE = Path(".cache")
REPOSITORY = Path("model_repository")


@app.command()
def eyes(
    count: int = 48, seed: int = 0, side_px: int = 192, out: Path = Path("sheet.jpg"), kind: str | None = None
) -> None:
    """Write a contact sheet of drawn pictures with the truth under each."""
    from typing import cast

    from export import eyes as drawing

    sheet = drawing.contact_sheet(seed, count, side_px, cast(drawing.Kind | None, kind))
    cv2.imwrite(str(out), sheet[..., ::-1])
    typer.echo(f"{out}: pictures {seed} to {seed + count - 1}")


@app.command()
def sample(
    seed: int = 358, width: int = 1600, height: int = 1200, out: Path = Path("orchestrator/embedded/sample.jpg")
) -> None:
    """Draw the sharp close-up that the demo uses when it is given no photo."""
    from export import eyes as drawing

    image = drawing.draw(seed, width, height, "closeup", mild=True).image
    cv2.imwrite(str(out), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    typer.echo(str(out))


@app.command()
def golden(side_px: int = 256, out: Path = Path("orchestrator/publishing/golden_pictures")) -> None:
    """Draw the golden set that candidates of both networks are checked on."""
    from export.golden import draw_golden

    typer.echo(f"{out}: {draw_golden(out, side_px)} pictures")


@app.command("train-unet")
def train_unet(
    pictures: int = 20_000,
    coarse_steps: int = 6_000,
    fine_steps: int = 4_000,
    coarse_px: int = 128,
    side_px: int = 256,
    seed: int = 1,
    first_picture: Annotated[int, typer.Option(help="Seed of the first drawn picture.")] = 1_000_000,
    sharp: Annotated[int, typer.Option(help="Also so many well lit crops: every other picture of a batch.")] = 0,
    textures: Annotated[int, typer.Option(help="Change surfaces and light with so many drawn textures.")] = 0,
    resume: Annotated[bool, typer.Option(help="Go on from CACHE/iris_unet.pt.")] = False,
    device: Device = "cpu",
    cache: Cache = CACHE,
) -> None:
    """Train the segmentation network on drawn pictures; weights go to CACHE/iris_unet.pt."""
    from export.train_unet import Stage, train

    stages = [Stage(coarse_px, 16, coarse_steps, 2e-3), Stage(side_px, 8, fine_steps, 8e-4)]
    chosen = [s for s in stages if s.steps]
    drawn = cache / "drawn"
    train(cache / "iris_unet.pt", drawn, pictures, chosen, seed, device, first_picture, resume, sharp, textures)


@app.command()
def average(
    weights: Annotated[list[Path], typer.Argument(help="Two or more .pt files of one network.")],
    out: Annotated[Path, typer.Option(help="Where the mean goes.")] = CACHE / "iris_unet.pt",
) -> None:
    """Write the mean of several trainings' weights."""
    import torch

    from export.train_unet import mean_of

    try:
        torch.save(mean_of(weights), out)
    except (OSError, ValueError) as error:
        typer.echo(f"{error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{out}: the mean of {len(weights)}")


@app.command("train-enhancer")
def train_enhancer(
    irises: int = 1_000,
    textures: int = 800,
    steps: int = 20_000,
    seed: int = 2,
    resume: Annotated[bool, typer.Option(help="Go on from CACHE/realesrgan.pt.")] = False,
    device: Device = "cpu",
    cache: Cache = CACHE,
) -> None:
    """Train the compact ×4 enhancer on drawn irises and textures; weights go to CACHE/realesrgan.pt."""
    from export.train_enhancer import train

    train(cache / "realesrgan.pt", cache / "drawn", irises, textures, steps, seed, device, resume)


@app.command()
def publish(
    name: Annotated[str, typer.Argument(help="iris_unet or realesrgan")],
    side_px: int = 256,
    cache: Cache = CACHE,
    repository: Path = REPOSITORY,
    version: int = 1,
) -> None:
    """Write CACHE/NAME.pt as ONNX into the model repository, after comparing torch with ONNX Runtime."""
    from export import onnx

    target = repository / name / str(version) / "model.onnx"
    difference = onnx.export(onnx.load(name, cache / f"{name}.pt"), target, side_px)
    typer.echo(f"{target}: {target.stat().st_size / 1e6:.2f} MB, largest difference to torch {difference:.2g}")


@app.command()
def realesrgan(
    weights: Annotated[Path, typer.Option(help="RealESRGAN_x4plus.pth or realesr-general-x4v3.pth")],
    download: Annotated[bool, typer.Option("--download", help="Fetch the file, where it is not there.")] = False,
    denoise: Annotated[float, typer.Option(min=0, max=1, help="Of realesr-general-x4v3: below 1 needs -wdn-.")] = 1.0,
    out: Annotated[Path, typer.Option(help="Folder for model.onnx and its card.")] = Path("candidate"),
    publish: Annotated[bool, typer.Option("--publish", help="Then `irisvue models publish` it.")] = False,
    side_px: int = 256,
) -> None:
    """Write Real-ESRGAN's published weights as a candidate version of realesrgan."""
    from export import official, onnx

    try:
        if download:
            official.download(weights)
            if denoise < 1.0:
                official.download(weights.with_name(official.WEAK_DENOISE))
        net = official.network(weights, denoise)
        difference = onnx.export(onnx.enhancer(net), out / "model.onnx", side_px)
    except (official.WrongWeights, ValueError) as error:
        typer.echo(f"{error}", err=True)
        raise typer.Exit(1) from None
    (out / "MODEL.md").write_text(official.card(weights, denoise, difference))
    size = (out / "model.onnx").stat().st_size / 1e6
    typer.echo(f"{out / 'model.onnx'}: {size:.2f} MB, largest difference to torch {difference:.2g}")
    argv = ["models", "publish", "realesrgan", f"{out / 'model.onnx'}", "--card", f"{out / 'MODEL.md'}"]
    if publish:
        irisvue = Path(sys.executable).with_name("irisvue")
        raise typer.Exit(subprocess.run([irisvue, *argv, "--slower", "500"], check=False).returncode)  # noqa: S603
    typer.echo(f"Next: irisvue {' '.join(argv)}")


@app.command()
def tensorrt(repository: Path = REPOSITORY, plans: Path = CACHE / "plans") -> None:
    """Build TensorRT plans for this machine's GPU beside the ONNX files, and hold each against its ONNX file."""
    from export import plan_check
    from export import tensorrt as building

    try:
        built = building.prepare(repository, plans, plan_check.check)
    except building.CannotBuild as error:
        typer.echo(f"{error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{len(built)} built; Triton serves them with --model-config-name=gpu")


@app.command()
def smaller(
    name: Annotated[str, typer.Argument(help="iris_unet or realesrgan")],
    kind: Annotated[str, typer.Argument(help="half (for GPUs) or int8 (for CPUs)")],
    source: Annotated[Path | None, typer.Option(help="Another model.onnx than the shipped one.")] = None,
    out: Path = Path("candidate"),
    count: Annotated[int, typer.Option(help="So many drawn pictures to try it on.")] = 32,
) -> None:
    """Write a network in float16 or INT8 to OUT/model.onnx, if it still answers as in float32."""
    from export import eyes as drawing
    from export import precision

    if kind not in precision.ALLOWED:
        raise typer.BadParameter(f"{kind!r}: half or int8")
    given = source or REPOSITORY / name / "1" / "model.onnx"
    if not given.is_file():
        raise typer.BadParameter(f"{given} is not there; iris_unet and realesrgan are.")
    images = np.stack([drawing.draw(9_700_000 + n, 256, 256).image for n in range(count)])
    target = out / "model.onnx"
    try:
        if kind == "half":
            kept, difference = precision.half(given, target, images)
            typer.echo(f"left in float32: {', '.join(kept) or 'nothing'}")
        else:
            difference = precision.int8(given, target, images)
    except precision.TooFar as error:
        typer.echo(f"{error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{target}: {target.stat().st_size / 1e6:.2f} MB, 999 of 1,000 values within {difference:.3g}")


@app.command()
def evaluate(
    photos: Annotated[Path, typer.Option(help="Folder of photos.")],
    truth: Annotated[Path | None, typer.Option(help="Folder of masks with the same stem (PNG, iris ≥ 170).")] = None,
    out: Annotated[Path | None, typer.Option(help="Write overlays here to look at.")] = None,
    repository: Path = REPOSITORY,
) -> None:
    """Run the whole segmentation over a folder: refusals, confidence and, where there is a truth, IoU."""
    from export.evaluate import evaluate as run

    run(photos, truth, out, repository)


@app.command("evaluate-drawn")
def evaluate_drawn(
    count: int = 200,
    failures: Annotated[Path | None, typer.Option(help="Picture of the eyes that come out worst.")] = None,
    repository: Path = REPOSITORY,
) -> None:
    """Score the whole segmentation and the removal of reflections on held-out drawn pictures."""
    from export.evaluate_drawn import evaluate_drawn as run

    run(count, repository, failures)


@app.command("evaluate-enhancer")
def evaluate_enhancer(
    photos: Annotated[Path, typer.Option(help="Folder of sharp photos.")],
    out: Annotated[Path | None, typer.Option(help="Write crops here: truth, Lanczos, ours; shrunk, degraded.")] = None,
    repository: Path = REPOSITORY,
) -> None:
    """Score the enhancer on photos made small, beside Lanczos."""
    from export.evaluate_enhancer import evaluate_enhancer as run

    run(photos, out, repository)


if __name__ == "__main__":
    app()
