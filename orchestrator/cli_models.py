"""Model versions: publish, try, promote, roll back. Commands find a running `irisvue up` by its data folder."""

import getpass
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import cv2
import typer
from rich.table import Column, Table

from orchestrator import routes, store
from orchestrator.errors import Invalid, SetupError
from orchestrator.inference.triton import TritonInfer
from orchestrator.services import Services, open_services
from orchestrator.tables import ModelRoute, values_of
from orchestrator.terminal import AsJson, bar, complaints, console, run, settings_at
from orchestrator.versions.desk import Desk, in_use
from orchestrator.versions.judgement import Judgement, tolerances_for
from orchestrator.versions.publish import Candidate, Outcome
from orchestrator.versions.publish import publish as publish_candidate
from orchestrator.versions.publish import restore as restore_version
from orchestrator.versions.publish import withdraw as withdraw_version
from orchestrator.versions.repository import open_repository
from orchestrator.versions.server import open_servers

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode="rich", help=__doc__)
Name = Annotated[str, typer.Argument(help="iris_unet or realesrgan")]
Data = Annotated[
    Path | None,
    typer.Option(help="Data folder of a running `irisvue up`; without one, IRISVUE_* if set, else ./irisvue-data."),
]


@asynccontextmanager
async def _desk(data: Path | None) -> AsyncIterator[Desk]:
    config = settings_at(data)
    if config.inference != "triton":
        raise SetupError("This Irisvue runs without Triton (--inference local): there is no server to publish to.")
    async with open_services(config) as services, open_servers(config.triton_url, config.triton_control_key) as servers:
        infer = await TritonInfer.connect(config.triton_url, config.model_timeout_s, config.triton_try_s)
        try:
            yield Desk(services, open_repository(config.model_repository, config), servers, infer)
        finally:
            await infer.aclose()


@asynccontextmanager
async def _rows(data: Path | None) -> AsyncIterator[Services]:
    async with open_services(settings_at(data)) as services:
        yield services


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
    async with _desk(data) as desk:
        with bar("Publishing") as tell:
            outcome = await publish_candidate(desk, candidate, limits, golden, tell)
    _print_judgement(name, outcome.in_use, outcome.judgement)
    cv2.imwrite(str(sheet), outcome.sheet[..., ::-1])
    console.print(f"largest differences: {sheet}", soft_wrap=True, highlight=False)
    return _tell_outcome(name, outcome)


def _tell_outcome(name: str, outcome: Outcome) -> int:
    if outcome.version is None:
        complaints.print(f"irisvue: {name} was not published: see the rows above that say no.", style="red")
        return 1
    old, new = outcome.in_use, outcome.version
    console.print(f"[green]{name} {new} is loaded and gets no jobs yet.[/] What may follow:")
    for command in (f"shadow {name} {new}", f"route {name} {old}=90 {new}=10", f"promote {name} {new}"):
        console.print(f"  irisvue models {command}", highlight=False)
    return 0


def _print_judgement(name: str, used: str, judgement: Judgement) -> None:
    table = Table("", "candidate", f"in use ({name} {used})", "wanted", "good")
    for check in judgement.checks:
        table.add_row(check.what, check.candidate, check.in_use, check.wanted, "yes" if check.good else "[red]no")
    console.print(table)


@app.command("list")
def list_models(data: Data = None, as_json: AsJson = False) -> None:
    """All models: versions, scores, shares of the jobs."""

    async def work() -> int:
        async with _rows(data) as services:
            found = await routes.overview(services)
        if as_json:
            typer.echo(json.dumps([_plain(model) for model in found], indent=1, default=str))
            return 0
        table = Table("model", "version", Column("jobs", no_wrap=True), "scores", "published by", "at")
        for model in found:
            for row in model.versions:
                scores = " ".join(f"{key}={value:g}" for key, value in (row.scores or {}).items())
                at = f"{row.published_at:%Y-%m-%d %H:%M}"
                table.add_row(row.name, str(row.version), _share(model, row.version), scores, row.published_by, at)
        console.print(table)
        return 0

    run(work())


def _plain(model: routes.Model) -> dict[str, Any]:
    route = values_of(model.route) if model.route else None
    return {"name": model.name, "versions": [values_of(row) for row in model.versions], "route": route}


def _share(model: routes.Model, version: int) -> str:
    row = next(row for row in model.versions if row.version == version)
    if row.withdrawn_at:
        return "withdrawn"
    if model.route is None:
        newest = max(v.version for v in model.versions if not v.withdrawn_at)
        return "100 %" if version == newest else ""
    if model.route.shadow == str(version):
        return "shadow"
    share = model.route.shares.get(str(version))
    return f"{share} %" if share else ""


def _shares(words: list[str]) -> routes.Shares:
    percent = {}
    for word in words:
        version, _, share = word.partition("=")
        if not share.isdecimal() or version in percent:
            raise Invalid(f"{word!r}: say each version once with its percent, as in 2=90 3=10.")
        percent[version] = int(share)
    return routes.Shares(percent)


@app.command()
def route(
    name: Name,
    shares: Annotated[list[str], typer.Argument(help="VERSION=PERCENT …, adding up to 100: 2=90 3=10")],
    data: Data = None,
) -> None:
    """Say which versions serve which percent of the jobs."""

    async def work() -> int:
        wanted = _shares(shares)
        async with _rows(data) as services:
            _print_route(await routes.set_route(services, name, wanted, getpass.getuser(), "route"))
        return 0

    run(work())


@app.command()
def promote(name: Name, version: Annotated[int, typer.Argument(help="Which")], data: Data = None) -> None:
    """Serve all jobs by one version."""

    async def work() -> int:
        whole = routes.Shares({str(version): routes.WHOLE})
        async with _rows(data) as services:
            _print_route(await routes.set_route(services, name, whole, getpass.getuser(), "promote"))
        return 0

    run(work())


@app.command()
def rollback(name: Name, data: Data = None) -> None:
    """Back to the shares before the present ones; nothing is loaded or unloaded."""

    async def work() -> int:
        async with _rows(data) as services:
            _print_route(await routes.rollback(services, name, getpass.getuser()))
        return 0

    run(work())


def _print_route(row: ModelRoute) -> None:
    shares = " ".join(f"{version}={share}" for version, share in row.shares.items())
    shadow = f", shadow {row.shadow}" if row.shadow else ""
    console.print(f"{row.name}: {shares}{shadow}", highlight=False)


@app.command()
def history(name: Name, data: Data = None, as_json: AsJson = False) -> None:
    """Every route that a model has had, newest first: who set it, when, and why."""

    async def work() -> int:
        async with _rows(data) as services, services.db() as db:
            rows = await store.route_history(db, name)
        if as_json:
            typer.echo(json.dumps([values_of(row) for row in rows], indent=1, default=str))
            return 0
        table = Table("at", "shares", "shadow", "by", "why")
        for row in rows:
            shares = " ".join(f"{version}={share}" for version, share in row.shares.items())
            table.add_row(f"{row.set_at:%Y-%m-%d %H:%M:%S}", shares, row.shadow or "", row.set_by, row.reason)
        console.print(table)
        return 0

    run(work())


@app.command()
def shadow(
    name: Name,
    version: Annotated[int | None, typer.Argument(help="Which; without one, no shadow any more.")] = None,
    data: Data = None,
) -> None:
    """Run a version beside what is shown, on every job, without showing it (each job then costs twice)."""

    async def work() -> int:
        async with _rows(data) as services:
            chosen = str(version) if version else None
            _print_route(await routes.set_shadow(services, name, chosen, getpass.getuser()))
        return 0

    run(work())


@app.command()
def shadows(
    name: Name,
    version: Annotated[int, typer.Argument(help="Which")],
    plot: Annotated[Path, typer.Option(help="Where the plot goes.")] = Path("shadow.png"),
    data: Data = None,
) -> None:
    """What a shadow did: how alike it was to what was shown, and its time; as a table and a plot."""

    async def work() -> int:
        from orchestrator.versions.plot import draw_shadows, summary

        async with _rows(data) as services, services.db() as db:
            found = await store.shadow_runs(db, name, str(version))
        if not found:
            raise SetupError(
                f"{name} {version} has run on no job as a shadow. Try: irisvue models shadow {name} {version}"
            )
        for line in summary(found):
            console.print(line, highlight=False)
        draw_shadows(found, plot)
        console.print(f"plot: {plot}", soft_wrap=True, highlight=False)
        return 0

    run(work())


@app.command()
def unload(name: Name, version: Annotated[int, typer.Argument(help="Which")], data: Data = None) -> None:
    """Take a version that no job needs out of the servers; it is kept aside in the repository."""

    async def work() -> int:
        async with _desk(data) as desk:
            await withdraw_version(desk, name, version)
        console.print(f"{name} {version} is unloaded. Bring it back with: irisvue models load {name} {version}")
        return 0

    run(work())


@app.command()
def load(name: Name, version: Annotated[int, typer.Argument(help="Which")], data: Data = None) -> None:
    """Bring back a version that was unloaded."""

    async def work() -> int:
        async with _desk(data) as desk:
            await restore_version(desk, name, version)
            used = await in_use(desk, name)
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

    async def work() -> int:
        from orchestrator.versions import sweep as sweeping

        async with _desk(data) as desk:
            with bar("Measuring") as tell:
                found = await sweeping.sweep(desk, name, tell)
            chosen = sweeping.best(found)
            table = Table(
                "instances", "delay (µs)", "calls/s", "one alone (ms)", f"{sweeping.AT_ONCE} at once (ms)", ""
            )
            for row in found:
                figures = (row.instances, row.delay_us, row.calls_a_second, row.alone_ms, row.together_ms)
                table.add_row(*map(str, figures), "best" if row == chosen else "")
            console.print(table)
            if write:
                await sweeping.write(desk, name, chosen)
                console.print(f"{name}: {chosen.instances} instances, {chosen.delay_us} µs, loaded.", highlight=False)
        return 0

    run(work())
