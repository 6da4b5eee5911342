"""`irisvue models list`, `route` and so on: which versions of a model serve which jobs, and shadows."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from orchestrator import db
from orchestrator.cli.options import AsJson, ModelName, OptionalDataFolder, Version
from orchestrator.cli.server_address import operator_name, settings_for
from orchestrator.cli.terminal import console, print_json, run
from orchestrator.db.tables import ModelRoute, values_of
from orchestrator.errors import Invalid, SetupError
from orchestrator.rollout import routing
from orchestrator.services import Services, open_services

app = typer.Typer()


@app.command("list")
def list_models(data: OptionalDataFolder = None, as_json: AsJson = False) -> None:
    """List all models: versions, scores, shares of the jobs."""
    run(_list(data, as_json))


async def _list(data: Path | None, as_json: bool) -> None:
    async with open_services(settings_for(data)) as services:
        models = await routing.overview(services)
    if as_json:
        print_json([_as_json(model) for model in models])
        return
    table = Table("model", "version", Column("jobs", no_wrap=True), "scores", "published by", "at")
    for model in models:
        for row in model.versions:
            scores = " ".join(f"{key}={value:g}" for key, value in (row.scores or {}).items())
            at = f"{row.published_at:%Y-%m-%d %H:%M}"
            table.add_row(row.name, str(row.version), _share(model, row.version), scores, row.published_by, at)
    console.print(table)


def _as_json(model: routing.ModelOverview) -> dict[str, Any]:
    route = values_of(model.route) if model.route else None
    return {"name": model.name, "versions": [values_of(row) for row in model.versions], "route": route}


def _share(model: routing.ModelOverview, version: int) -> str:
    """Which jobs a version serves, in words."""
    row = next(row for row in model.versions if row.version == version)
    if row.withdrawn_at:
        return "withdrawn"
    if model.route and model.route.shadow == str(version):
        return "shadow"
    if row.experimental:
        return "experimental"
    if model.route is None:
        newest = max(v.version for v in model.versions if not v.withdrawn_at and not v.experimental)
        return "100 %" if version == newest else ""
    share = model.route.shares.get(str(version))
    return f"{share} %" if share else ""


@app.command()
def route(
    name: ModelName,
    shares: Annotated[list[str], typer.Argument(help="VERSION=PERCENT …, adding up to 100: 2=90 3=10")],
    data: OptionalDataFolder = None,
) -> None:
    """Set which versions serve which percentage of the jobs."""
    run(_route(name, shares, data))


async def _route(name: str, words: list[str], data: Path | None) -> None:
    shares = _parse_shares(words)
    async with open_services(settings_for(data)) as services:
        await _print_route(services, await routing.set_route(services, name, shares, operator_name(), "route"))


def _parse_shares(words: list[str]) -> routing.Shares:
    percent = {}
    for word in words:
        version, _, share = word.partition("=")
        if not share.isdecimal() or version in percent:
            raise Invalid(f"{word!r}: name each version once with its percentage, as in 2=90 3=10.")
        percent[version] = int(share)
    return routing.Shares(percent)


@app.command()
def promote(name: ModelName, version: Version, data: OptionalDataFolder = None) -> None:
    """Let one version serve all jobs."""
    run(_promote(name, version, data))


async def _promote(name: str, version: int, data: Path | None) -> None:
    shares = routing.Shares({str(version): routing.ALL_JOBS})
    async with open_services(settings_for(data)) as services:
        await _print_route(services, await routing.set_route(services, name, shares, operator_name(), "promote"))


@app.command()
def rollback(name: ModelName, data: OptionalDataFolder = None) -> None:
    """Go back to the shares before the current ones; nothing is loaded or unloaded."""
    run(_rollback(name, data))


async def _rollback(name: str, data: Path | None) -> None:
    async with open_services(settings_for(data)) as services:
        await _print_route(services, await routing.rollback(services, name, operator_name()))


async def _print_route(services: Services, row: ModelRoute) -> None:
    """The route, and whether a shadow ended with the one before."""
    shadow = f", shadow {row.shadow}" if row.shadow else ""
    console.print(f"{row.name}: {_shares_of(row)}{shadow}", highlight=False)
    async with services.db() as session:
        before = [old for old in await db.rollout.route_history(session, row.name) if old.id < row.id][:1]
    if before and before[0].shadow and before[0].shadow != row.shadow:
        console.print(f"{row.name} {before[0].shadow} is no longer a shadow.", highlight=False)


def _shares_of(row: ModelRoute) -> str:
    return " ".join(f"{version}={share}" for version, share in row.shares.items())


@app.command()
def history(name: ModelName, data: OptionalDataFolder = None, as_json: AsJson = False) -> None:
    """Show every route that a model has had, newest first: who set it, when, and why."""
    run(_history(name, data, as_json))


async def _history(name: str, data: Path | None, as_json: bool) -> None:
    async with open_services(settings_for(data)) as services, services.db() as session:
        rows = await db.rollout.route_history(session, name)
    if as_json:
        print_json([values_of(row) for row in rows])
        return
    table = Table("at", "shares", "shadow", "by", "why")
    for row in rows:
        table.add_row(f"{row.set_at:%Y-%m-%d %H:%M:%S}", _shares_of(row), row.shadow or "", row.set_by, row.reason)
    console.print(table)


@app.command()
def shadow(
    name: ModelName,
    version: Annotated[int | None, typer.Argument(help="Its number; without one, the shadow ends.")] = None,
    data: OptionalDataFolder = None,
) -> None:
    """Run a version on every job beside the one that serves it, without showing its results (jobs then cost double)."""
    run(_shadow(name, str(version) if version else None, data))


async def _shadow(name: str, version: str | None, data: Path | None) -> None:
    async with open_services(settings_for(data)) as services:
        await _print_route(services, await routing.set_shadow(services, name, version, operator_name()))


@app.command()
def shadows(
    name: ModelName,
    version: Version,
    plot: Annotated[Path, typer.Option(help="Where the plot goes.")] = Path("shadow.png"),
    data: OptionalDataFolder = None,
) -> None:
    """Report how a shadow did: how similar its results were and how long it took, as a table and a plot."""
    run(_shadows(name, version, plot, data))


async def _shadows(name: str, version: int, plot: Path, data: Path | None) -> None:
    from orchestrator.rollout.shadow_report import NO_PLOT, draw_shadows, summary

    async with open_services(settings_for(data)) as services, services.db() as session:
        runs = await db.rollout.shadow_runs(session, name, str(version))
    if not runs:
        raise SetupError(f"{name} {version} has run on no job as a shadow. Try: irisvue models shadow {name} {version}")
    for line in summary(runs):
        console.print(line, highlight=False)
    try:
        drawn = draw_shadows(runs, plot)
    except (OSError, ValueError) as error:  # ValueError: no such format
        raise SetupError(f"The plot {plot} can't be written: {error}") from error
    console.print(f"plot: {plot}" if drawn else NO_PLOT, soft_wrap=True, highlight=False, markup=False)
