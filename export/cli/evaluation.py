"""The commands that score the networks."""

from pathlib import Path
from typing import Annotated

import typer

from export.cli.options import CACHE, REPOSITORY, Cache

app = typer.Typer()


@app.command()
def evaluate(
    photos: Annotated[Path, typer.Option(help="Folder of photos.")],
    truth: Annotated[Path | None, typer.Option(help="Folder of masks with the same stem (PNG, iris ≥ 170).")] = None,
    out: Annotated[Path | None, typer.Option(help="Write overlays to look at into this folder.")] = None,
    manifest: Annotated[Path | None, typer.Option(help="CSV of the photos' groups: scores by group.")] = None,
    turns: Annotated[bool, typer.Option("--turns", help="Also turned by 90, 180 and 270 degrees.")] = False,
    repository: Path = REPOSITORY,
) -> None:
    """Segment a folder of photos as the service does: refusals, confidence and, where there is a truth, IoU."""
    from export.evaluation.photos import evaluate_photos

    evaluate_photos(photos, truth, out, repository, manifest, range(4) if turns else (0,))


@app.command("evaluate-drawn")
def evaluate_drawn(
    count: int = 200,
    failures: Annotated[Path | None, typer.Option(help="Write the eyes that come out worst to this picture.")] = None,
    repository: Path = REPOSITORY,
) -> None:
    """Score the segmentation and the removal of reflections on held-out drawn pictures."""
    from export.evaluation import drawn_eyes

    drawn_eyes.evaluate_drawn(count, repository, failures)


@app.command("evaluate-enhancer")
def evaluate_enhancer(
    photos: Annotated[Path, typer.Option(help="Folder of sharp photos.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for crops to look at: truth; Lanczos and ours, shrunk and degraded.")
    ] = None,
    repository: Path = REPOSITORY,
) -> None:
    """Score the enhancer on photos made small, beside Lanczos."""
    from export.evaluation import enhancer

    enhancer.evaluate_enhancer(photos, out, repository)


@app.command("evaluate-nearness")
def evaluate_nearness(
    photos: Annotated[Path, typer.Option(help="Folder of photos of eyes.")],
    truth: Annotated[Path, typer.Option(help="Folder of masks with the same stem (PNG, iris ≥ 160).")],
    wheel: Annotated[Path | None, typer.Option(help="The wheel with x4plus, brought by hand.")] = None,
    cache: Cache = CACHE,
    repository: Path = REPOSITORY,
) -> None:
    """Score the enhancer on irises beside Lanczos and x4plus: nearness to x4plus, detail, consistency."""
    import torch

    from export.evaluation import teacher
    from export.training import published

    try:
        teacher.evaluate_nearness(photos, truth, published.networks(cache, wheel)[0].to(torch.bfloat16), repository)
    except ValueError as error:
        typer.echo(f"{error}", err=True)
        raise typer.Exit(1) from None
