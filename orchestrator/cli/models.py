"""`irisvue models publish`, `load`, `unload` and `sweep`: the versions that the Triton servers have."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from orchestrator.cli import published_weights, rollout, shipped, side_by_side
from orchestrator.cli.options import ModelName, OptionalDataFolder, Version
from orchestrator.cli.output import write_picture
from orchestrator.cli.photos import require_file
from orchestrator.cli.server_address import operator_name, settings_for
from orchestrator.cli.terminal import bar, console, print_error, run
from orchestrator.errors import SetupError
from orchestrator.inference.triton import TritonInfer
from orchestrator.publishing import tuning
from orchestrator.publishing.comparison import tolerances_for
from orchestrator.publishing.criteria import Comparison
from orchestrator.publishing.onnx_file import read_network
from orchestrator.publishing.publication import Candidate, Publication
from orchestrator.publishing.publish import publish as publish_candidate
from orchestrator.publishing.publisher import Publisher, version_in_use
from orchestrator.publishing.repository import open_repository
from orchestrator.publishing.triton_control import open_control
from orchestrator.publishing.withdraw import restore as restore_version
from orchestrator.publishing.withdraw import withdraw as withdraw_version
from orchestrator.services import open_services

app = typer.Typer()
CARD_HELP = (
    "MODEL.md: where the model comes from, its scores, and under ## Where it fails, where it fails. A line "
    "`purpose: perceptual` says that it is made to be looked at, not to be near to the truth."
)


@asynccontextmanager
async def _publisher(data: Path | None) -> AsyncIterator[Publisher]:
    settings = settings_for(data)
    if settings.inference != "triton":
        raise SetupError("This Irisvue runs without Triton (--inference local): there is no server to publish to.")
    async with (
        open_services(settings) as services,
        open_control(settings.triton_url, settings.triton_control_key) as control,
    ):
        infer = await TritonInfer.connect(settings.triton_url, settings.model_timeout_s, settings.triton_try_s)
        try:
            yield Publisher(services, open_repository(settings.model_repository, settings), control, infer)
        finally:
            await infer.aclose()


@app.command()
def publish(
    name: ModelName,
    model: Annotated[Path, typer.Argument(help="model.onnx, or model.plan where Triton serves TensorRT plans")],
    card: Annotated[Path, typer.Option(help=CARD_HELP)],
    golden: Annotated[Path | None, typer.Option(help="Folder of more golden pictures: segment/, enlarge/.")] = None,
    sheet: Annotated[Path, typer.Option(help="Where the picture of the largest differences goes.")] = Path(
        "candidate.jpg"
    ),
    slower: Annotated[
        float, typer.Option(help="How many times as slow as the version in use it may be.", min=0.1)
    ] = 1.5,
    experimental: Annotated[
        bool,
        typer.Option("--experimental", help="Publish it even if it is worse: it may be a shadow, and gets no jobs."),
    ] = False,
    data: OptionalDataFolder = None,
) -> None:
    """Compare a candidate with the version in use; if it is good enough, load it without sending it any jobs."""

    async def work() -> int:  # `run` tells what is wrong with the files, too
        candidate = replace(_read_candidate(name, model, card), experimental=experimental)
        return await _publish(candidate, golden, sheet, slower, data)

    run(work())


async def _publish(candidate: Candidate, golden: Path | None, sheet: Path, slower: float, data: Path | None) -> int:
    name = candidate.model
    tolerances = replace(tolerances_for(name), slower=slower)
    async with _publisher(data) as publisher:
        with bar("Publishing") as report:
            publication = await publish_candidate(publisher, candidate, tolerances, golden, report)
    _print_comparison(name, publication.in_use, publication.comparison)
    try:
        write_picture(sheet, publication.sheet)
        console.print(f"largest differences: {sheet}", soft_wrap=True, highlight=False)
    finally:  # the candidate may be loaded by now, whether or not the picture could be written
        _print_publication(candidate, publication)
    return 1 if publication.version is None else 0


def _read_candidate(name: str, model: Path, card: Path) -> Candidate:
    for path in (model, card):
        require_file(path)
    return Candidate(name, model.name, read_network(model), card.read_text(), operator_name())


def _print_comparison(name: str, in_use: str, comparison: Comparison) -> None:
    table = Table("", "candidate", f"in use ({name} {in_use})", "wanted", "good", "why")
    for criterion in comparison.criteria:
        verdict = "yes" if criterion.good else "[red]no"
        words = criterion.name, criterion.candidate, criterion.in_use, criterion.wanted
        table.add_row(*map(escape, words), verdict, criterion.why)
    console.print(table)


def _print_publication(candidate: Candidate, publication: Publication) -> None:
    name = candidate.model
    if publication.version is None:
        print_error(f"{name} was not published: see the rows above that say no.")
        return
    old, new = publication.in_use, publication.version
    commands = [f"shadow {name} {new}", f"route {name} {old}=90 {new}=10", f"promote {name} {new}"]
    if candidate.experimental:
        commands = commands[:1]
    jobs = "no jobs: it is experimental" if candidate.experimental else "no jobs yet"
    console.print(f"[green]{name} {new} is loaded and gets {jobs}.[/] What you may do next:")
    for command in commands:
        console.print(f"  irisvue models {command}", highlight=False)


@app.command()
def unload(name: ModelName, version: Version, data: OptionalDataFolder = None) -> None:
    """Unload a version that no job needs from the servers; its files stay in the repository, set aside."""
    run(_unload(name, version, data))


async def _unload(name: str, version: int, data: Path | None) -> None:
    async with _publisher(data) as publisher:
        await withdraw_version(publisher, name, version)
    console.print(f"{name} {version} is unloaded. Bring it back with: irisvue models load {name} {version}")


@app.command()
def load(name: ModelName, version: Version, data: OptionalDataFolder = None) -> None:
    """Bring back a version that was unloaded."""
    run(_load(name, version, data))


async def _load(name: str, version: int, data: Path | None) -> None:
    async with _publisher(data) as publisher:
        await restore_version(publisher, name, version)
        in_use = await version_in_use(publisher, name)
    console.print(f"{name} {version} is loaded; most jobs are served by {in_use}.", highlight=False)


@app.command()
def sweep(
    name: ModelName,
    write: Annotated[
        bool, typer.Option("--write", help="Put the best values into the configuration in use and load it.")
    ] = False,
    data: OptionalDataFolder = None,
) -> None:
    """Measure batch delays and instance counts on the running server (about a minute; leave it otherwise idle)."""
    run(_sweep(name, write, data))


async def _sweep(name: str, write: bool, data: Path | None) -> None:
    async with _publisher(data) as publisher:
        with bar("Measuring") as report:
            measured = await tuning.measure(publisher, name, report)
        best = tuning.best(measured)
        table = Table("instances", "delay (µs)", "calls/s", "one alone (ms)", f"{tuning.AT_ONCE} at once (ms)", "")
        for row in measured:
            figures = (row.instances, row.delay_us, row.calls_a_second, row.alone_ms, row.together_ms)
            table.add_row(*map(str, figures), "best" if row == best else "")
        console.print(table)
        if write:
            path = await tuning.apply(publisher, name, best)
            words = f"{best.instances} instances, {best.delay_us} µs"
            console.print(f"{name}: {words} in {path}, loaded.", highlight=False)


for commands in (published_weights, rollout, shipped, side_by_side):
    app.add_typer(commands.app)
