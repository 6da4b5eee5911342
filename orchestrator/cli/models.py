"""Model versions: publish, try, promote, roll back. Commands find a running `irisvue up` by its data folder."""

import getpass
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import cv2
import typer
from rich.table import Table

from orchestrator.cli import rollout
from orchestrator.cli.rollout import Data, Name
from orchestrator.cli.terminal import bar, complaints, console, run, settings_at
from orchestrator.errors import SetupError
from orchestrator.inference.triton import TritonInfer
from orchestrator.publishing.comparison import Comparison, tolerances_for
from orchestrator.publishing.publication import Candidate, Publication
from orchestrator.publishing.publish import publish as publish_candidate
from orchestrator.publishing.publisher import Publisher, version_in_use
from orchestrator.publishing.repository import open_repository
from orchestrator.publishing.triton_control import open_control
from orchestrator.publishing.withdraw import restore as restore_version
from orchestrator.publishing.withdraw import withdraw as withdraw_version
from orchestrator.services import open_services

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", help=__doc__)
app.add_typer(rollout.app)


@asynccontextmanager
async def _publisher(data: Path | None) -> AsyncIterator[Publisher]:
    config = settings_at(data)
    if config.inference != "triton":
        raise SetupError("This Irisvue runs without Triton (--inference local): there is no server to publish to.")
    async with open_services(config) as services, open_control(config.triton_url, config.triton_control_key) as control:
        infer = await TritonInfer.connect(config.triton_url, config.model_timeout_s, config.triton_try_s)
        try:
            yield Publisher(services, open_repository(config.model_repository, config), control, infer)
        finally:
            await infer.aclose()


@app.command()
def publish(
    name: Name,
    model: Annotated[Path, typer.Argument(help="model.onnx, or model.plan where Triton serves TensorRT plans")],
    card: Annotated[Path, typer.Option(help="MODEL.md: where it comes from, its scores, where it fails.")],
    golden: Annotated[Path | None, typer.Option(help="Folder of further golden pictures: segment/, enlarge/.")] = None,
    sheet: Annotated[Path, typer.Option(help="Where the picture of the largest differences goes.")] = Path(
        "candidate.jpg"
    ),
    slower: Annotated[
        float, typer.Option(help="How many times as slow as the version in use it may be.", min=0.1)
    ] = 1.5,
    data: Data = None,
) -> None:
    """Check a candidate beside the version in use; if it is good enough, load it without traffic."""
    run(_publish(name, model, card, golden, sheet, slower, data))


async def _publish(
    name: str, model: Path, card: Path, golden: Path | None, sheet: Path, slower: float, data: Path | None
) -> int:
    for path in (model, card):
        if not path.is_file():
            raise SetupError(f"There is no file {path}.")
    words = card.read_text()
    if not words.strip():
        raise SetupError(f"{card} is empty. Say where the model comes from, its scores, and where it fails.")
    candidate = Candidate(name, model.name, model.read_bytes(), words, getpass.getuser())
    limits = replace(tolerances_for(name), slower=slower)
    async with _publisher(data) as publisher:
        with bar("Publishing") as tell:
            outcome = await publish_candidate(publisher, candidate, limits, golden, tell)
    _print_comparison(name, outcome.in_use, outcome.comparison)
    cv2.imwrite(str(sheet), outcome.sheet[..., ::-1])
    console.print(f"largest differences: {sheet}", soft_wrap=True, highlight=False)
    return _tell_outcome(name, outcome)


def _tell_outcome(name: str, outcome: Publication) -> int:
    if outcome.version is None:
        complaints.print(f"irisvue: {name} was not published: see the rows above that say no.", style="red")
        return 1
    old, new = outcome.in_use, outcome.version
    console.print(f"[green]{name} {new} is loaded and gets no jobs yet.[/] What may follow:")
    for command in (f"shadow {name} {new}", f"route {name} {old}=90 {new}=10", f"promote {name} {new}"):
        console.print(f"  irisvue models {command}", highlight=False)
    return 0


def _print_comparison(name: str, used: str, comparison: Comparison) -> None:
    table = Table("", "candidate", f"in use ({name} {used})", "wanted", "good")
    for row in comparison.criteria:
        table.add_row(row.name, row.candidate, row.in_use, row.wanted, "yes" if row.good else "[red]no")
    console.print(table)


@app.command()
def unload(name: Name, version: Annotated[int, typer.Argument(help="Which")], data: Data = None) -> None:
    """Take a version that no job needs out of the servers; it is kept aside in the repository."""

    async def work() -> int:
        async with _publisher(data) as publisher:
            await withdraw_version(publisher, name, version)
        console.print(f"{name} {version} is unloaded. Bring it back with: irisvue models load {name} {version}")
        return 0

    run(work())


@app.command()
def load(name: Name, version: Annotated[int, typer.Argument(help="Which")], data: Data = None) -> None:
    """Bring back a version that was unloaded."""

    async def work() -> int:
        async with _publisher(data) as publisher:
            await restore_version(publisher, name, version)
            used = await version_in_use(publisher, name)
        console.print(f"{name} {version} is loaded; most jobs are served by {used}.", highlight=False)
        return 0

    run(work())


@app.command()
def sweep(
    name: Name,
    write: Annotated[bool, typer.Option("--write", help="Put the best values into config.pbtxt and load it.")] = False,
    data: Data = None,
) -> None:
    """Measure batch delays and instance counts on the running server (about a minute; let it do nothing else)."""
    from orchestrator.publishing import tuning

    async def work() -> int:
        async with _publisher(data) as publisher:
            with bar("Measuring") as tell:
                found = await tuning.measure(publisher, name, tell)
            chosen = tuning.best(found)
            table = Table("instances", "delay (µs)", "calls/s", "one alone (ms)", f"{tuning.AT_ONCE} at once (ms)", "")
            for row in found:
                figures = (row.instances, row.delay_us, row.calls_a_second, row.alone_ms, row.together_ms)
                table.add_row(*map(str, figures), "best" if row == chosen else "")
            console.print(table)
            if write:
                await tuning.apply(publisher, name, chosen)
                console.print(f"{name}: {chosen.instances} instances, {chosen.delay_us} µs, loaded.", highlight=False)
        return 0

    run(work())
