"""`irisvue privacy`: everything that is kept about one person: export it, erase it, or see who opened it."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from orchestrator import db
from orchestrator.cli.options import AsJson, OptionalDataFolder
from orchestrator.cli.server_address import operator_name, settings_for
from orchestrator.cli.terminal import bar, console, examples, print_json, run
from orchestrator.db.tables import values_of
from orchestrator.errors import SetupError
from orchestrator.privacy import audit_log, subject_data
from orchestrator.privacy.subject_data import HeldData
from orchestrator.services import open_services

app = typer.Typer()
User = Annotated[UUID, typer.Option(help="The user's id: the subject of their token.")]


@app.command(epilog=examples("irisvue privacy export --user UUID -o theirs.zip"))
def export(
    user: User,
    out: Annotated[Path, typer.Option("-o", "--out", help="The ZIP file to write.")] = Path("irisvue-export.zip"),
    data: OptionalDataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Write everything that is kept about a user into a ZIP: rows.json and every photo, result and mask."""
    run(_export(user, out, data, as_json))


async def _export(user: UUID, out: Path, data: Path | None, as_json: bool) -> None:
    async with open_services(settings_for(data)) as services:
        with bar("Exporting") as report:
            exported = await subject_data.export(services, user, out, report)
        await audit_log.record(services, user, "export", by=f"operator:{operator_name()}")
    _print_counts(exported, "in the ZIP", as_json)


@app.command(epilog=examples("irisvue privacy erase --user UUID", "irisvue privacy erase --user UUID --yes --json"))
def erase(
    user: User,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False,
    data: OptionalDataFolder = None,
    as_json: AsJson = False,
) -> None:
    """Remove everything that is kept about a user, then count what is left. This can't be undone."""
    if not yes and not typer.confirm(f"Remove everything of {user}? This can't be undone.", default=False):
        raise typer.Exit(1)
    run(_erase(user, data, as_json))


async def _erase(user: UUID, data: Path | None, as_json: bool) -> None:
    async with open_services(settings_for(data)) as services:
        with bar("Erasing") as report:
            left = await subject_data.erase(services, user, report)
    _print_counts(left, "left", as_json)
    if not left.nothing:
        raise SetupError("New data arrived while the old was being removed. Run it again.")


@app.command(epilog=examples("irisvue privacy trail --user UUID", "irisvue privacy trail --user UUID --json"))
def trail(user: User, data: OptionalDataFolder = None, as_json: AsJson = False) -> None:
    """Print the audit log of a user: who opened what, and when, by token, by signed link or as an operator."""
    run(_trail(user, data, as_json))


async def _trail(user: UUID, data: Path | None, as_json: bool) -> None:
    async with open_services(settings_for(data)) as services, services.db() as session:
        entries = await db.audit_log.accesses_of(session, user)
    if as_json:
        print_json([values_of(entry) for entry in entries])
        return
    table = Table("first", "last", "times", "by", "what", "of", box=None, pad_edge=False)
    for entry in entries:
        by = "the user" if entry.actor == str(user) else entry.actor
        first, last = (f"{at:%Y-%m-%d %H:%M:%S}" for at in (entry.first_at, entry.last_at))
        table.add_row(first, last, str(entry.times), by, entry.action, entry.object)
    console.print(table if entries else "No one has opened anything.")


def _print_counts(held: HeldData, title: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(held)))
        return
    table = Table("what", title, box=None, pad_edge=False)
    for name, count in [*held.rows.items(), *held.objects.items()]:
        table.add_row(name, str(count))
    console.print(table)
