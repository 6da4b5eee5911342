"""`irisvue models compare`: two versions of a model on photos of yours, as one page to look at."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.cli.options import ModelName, OptionalDataFolder, Version
from orchestrator.cli.server_address import settings_for
from orchestrator.cli.side_by_side_page import Answer, Row, page
from orchestrator.cli.terminal import bar, console, run
from orchestrator.config import Settings
from orchestrator.errors import IrisvueError, SetupError
from orchestrator.inference.protocol import Infer
from orchestrator.inference.provider import open_inference
from orchestrator.pipeline.decoder import Decoder
from orchestrator.pipeline.run import Budget
from orchestrator.pipeline.run import run as run_pipeline
from orchestrator.reporting import Report
from orchestrator.worker.shadow import likeness

app = typer.Typer()
ENDINGS = {".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif"}


@app.command()
def compare(
    name: ModelName,
    one: Version,
    other: Version,
    photos: Annotated[Path, typer.Option(help="Folder of photos.")],
    out: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("compare.html"),
    data: OptionalDataFolder = None,
) -> None:
    """Process photos with two versions, and write one HTML page: pictures, outlines, scores, times."""
    run(_compare(name, (str(one), str(other)), photos, out, data))


async def _compare(name: str, versions: tuple[str, str], photos: Path, out: Path, data: Path | None) -> None:
    paths = _photos_in(photos)
    settings = settings_for(data)
    async with _opened(settings) as (infer, decoder):
        if unknown := [version for version in versions if version not in infer.available.get(name, [])]:
            served = ", ".join(infer.available.get(name, [])) or "no versions"
            raise SetupError(f"{name} {' and '.join(unknown)} is not served; there are: {served}.")
        budget = Budget(settings.max_pixels, settings.max_result_px, settings.tiles_in_flight)
        with bar("Comparing") as report:
            rows = [row async for row in _rows(name, versions, paths, infer, decoder, budget, report)]
    try:
        out.write_text(page(name, versions, rows))
    except OSError as error:
        raise SetupError(f"{out} can't be written: {error.strerror}.") from error
    console.print(f"{len(rows)} photos: {out}", soft_wrap=True, highlight=False)


def _photos_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise SetupError(f"There is no folder {folder}.")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in ENDINGS)
    if not paths:
        raise SetupError(f"{folder} has no photos ({', '.join(sorted(ENDINGS))}).")
    return paths


@asynccontextmanager
async def _opened(settings: Settings) -> AsyncIterator[tuple[Infer, Decoder]]:
    infer = await open_inference(settings)
    try:
        async with Decoder(1, settings.decoder_bytes, settings.pixels_in_hand) as decoder:
            yield infer, decoder
    finally:
        await infer.aclose()


async def _rows(
    name: str,
    versions: tuple[str, str],
    paths: list[Path],
    infer: Infer,
    decoder: Decoder,
    budget: Budget,
    report: Report,
) -> AsyncIterator[Row]:
    for number, path in enumerate(paths):
        report(path.name, number / len(paths))
        photo = await asyncio.to_thread(path.read_bytes)
        views = [infer.pinned({name: version}, background=True) for version in versions]
        one, other = [await _answer(photo, view, decoder, budget) for view in views]
        alike = None
        if one.result and other.result:
            alike = await asyncio.to_thread(likeness, name, one.result, other.result)
        yield Row(path.name, photo, (one, other), alike)


async def _answer(photo: bytes, infer: Infer, decoder: Decoder, budget: Budget) -> Answer:
    started = time.perf_counter()
    try:
        result = await run_pipeline(photo, infer, decoder, budget, _ignore_progress)
    except IrisvueError as error:
        return Answer(None, time.perf_counter() - started, error.detail)
    return Answer(result, time.perf_counter() - started)


async def _ignore_progress(step: str, percent: int, *, result_px: int | None = None) -> None:
    """The page is written when all is done."""
