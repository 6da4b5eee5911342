"""The commands that draw pictures."""

import asyncio
from pathlib import Path
from typing import Annotated, cast

import cv2
import typer

from export.cli.options import CACHE, Cache
from export.drawing import eyes as drawn_eyes
from export.drawing import refused as drawn_refused
from export.golden import draw_golden
from orchestrator.config import ROOT
from orchestrator.errors import QualityIssue
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.pipeline.segment import segment

app = typer.Typer()


@app.command()
def eyes(
    count: int = 48, seed: int = 0, side_px: int = 192, out: Path = Path("sheet.jpg"), kind: str | None = None
) -> None:
    """Write a contact sheet of drawn pictures with the truth under each."""
    sheet = drawn_eyes.contact_sheet(seed, count, side_px, cast(drawn_eyes.Kind | None, kind))
    cv2.imwrite(str(out), sheet[..., ::-1])
    typer.echo(f"{out}: pictures {seed} to {seed + count - 1}")


@app.command()
def sample(
    seed: int = 358, width: int = 1600, height: int = 1200, out: Path = Path("orchestrator/embedded/sample.jpg")
) -> None:
    """Draw the sharp close-up that the demo uses when it is given no photo."""
    image = drawn_eyes.draw(seed, width, height, "closeup", mild=True).image
    cv2.imwrite(str(out), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92])
    typer.echo(str(out))


@app.command()
def refused(out: Path = Path("docs/pictures/refused.jpg")) -> None:
    """Draw the photos that the documentation shows as ones that are refused, and say what each is refused for."""
    infer = OnnxInfer(ROOT / "model_repository")
    for code, draw in drawn_refused.REFUSED.items():
        try:
            asyncio.run(segment(draw(), infer))
            typer.echo(f"{code}: found")
        except QualityIssue as refusal:
            typer.echo(f"{code}: {refusal.code}")
    cv2.imwrite(str(out), drawn_refused.sheet()[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])


@app.command()
def golden(
    side_px: int = 256,
    out: Path = Path("orchestrator/publishing/golden_pictures"),
    wheel: Annotated[Path | None, typer.Option(help="The wheel with x4plus, brought by hand.")] = None,
    cache: Cache = CACHE,
) -> None:
    """Draw the golden set, on which candidates of both networks are tried; x4plus enlarges a part of it."""
    from export.training.lessons import taught
    from export.training.published import networks

    teacher, _ = networks(cache, wheel)
    count = draw_golden(out, side_px, lambda small: taught(teacher, small[None])[0])
    typer.echo(f"{out}: {count} pictures")
