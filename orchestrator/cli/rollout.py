"""Which version of a model serves which jobs: routes, their history, shadows."""

import getpass
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from orchestrator import db
from orchestrator.cli.terminal import AsJson, console, run, settings_at
from orchestrator.db.tables import ModelRoute, values_of
from orchestrator.errors import Invalid, SetupError
from orchestrator.rollout import routing
from orchestrator.services import Services, open_services

app = typer.Typer()
Name = Annotated[str, typer.Argument(help="iris_unet or realesrgan")]
Data = Annotated[
    Path | None,
    typer.Option(help="Data folder of a running `irisvue up`; without one, IRISVUE_* if set, else ./irisvue-data."),
]


@asynccontextmanager
async def _rows(data: Path | None) -> AsyncIterator[Services]:
    async with open_services(settings_at(data)) as services:
        yield services


@app.command("list")
def list_models(data: Data = None, as_json: AsJson = False) -> None:
    """All models: versions, scores, shares of the jobs."""

    async def work() -> int:
        async with _rows(data) as services:
            found = await routing.overview(services)
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


def _plain(model: routing.ModelOverview) -> dict[str, Any]:
    route = values_of(model.route) if model.route else None
    return {"name": model.name, "versions": [values_of(row) for row in model.versions], "route": route}


def _share(model: routing.ModelOverview, version: int) -> str:
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


def _shares(words: list[str]) -> routing.Shares:
    percent = {}
    for word in words:
        version, _, share = word.partition("=")
        if not share.isdecimal() or version in percent:
            raise Invalid(f"{word!r}: say each version once with its percent, as in 2=90 3=10.")
        percent[version] = int(share)
    return routing.Shares(percent)


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
            _print_route(await routing.set_route(services, name, wanted, getpass.getuser(), "route"))
        return 0

    run(work())


@app.command()
def promote(name: Name, version: Annotated[int, typer.Argument(help="Which")], data: Data = None) -> None:
    """Serve all jobs by one version."""

    async def work() -> int:
        whole = routing.Shares({str(version): routing.ALL_JOBS})
        async with _rows(data) as services:
            _print_route(await routing.set_route(services, name, whole, getpass.getuser(), "promote"))
        return 0

    run(work())


@app.command()
def rollback(name: Name, data: Data = None) -> None:
    """Back to the shares before the present ones; nothing is loaded or unloaded."""

    async def work() -> int:
        async with _rows(data) as services:
            _print_route(await routing.rollback(services, name, getpass.getuser()))
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
        async with _rows(data) as services, services.db() as session:
            rows = await db.rollout.route_history(session, name)
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
            _print_route(await routing.set_shadow(services, name, chosen, getpass.getuser()))
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
        from orchestrator.rollout.shadow_report import NO_PLOT, draw_shadows, summary

        async with _rows(data) as services, services.db() as session:
            found = await db.rollout.shadow_runs(session, name, str(version))
        if not found:
            raise SetupError(
                f"{name} {version} has run on no job as a shadow. Try: irisvue models shadow {name} {version}"
            )
        for line in summary(found):
            console.print(line, highlight=False)
        drawn = draw_shadows(found, plot)
        console.print(f"plot: {plot}" if drawn else NO_PLOT, soft_wrap=True, highlight=False, markup=False)
        return 0

    run(work())
