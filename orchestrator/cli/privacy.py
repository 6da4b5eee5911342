"""What is kept of one person: hand it over, or remove it with proof."""

import getpass
import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from orchestrator import db
from orchestrator.cli.terminal import AsJson, bar, console, examples, run, settings_at
from orchestrator.db.tables import values_of
from orchestrator.errors import SetupError
from orchestrator.privacy import audit_log, subject_data
from orchestrator.privacy.subject_data import HeldData
from orchestrator.services import open_services

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help=__doc__)
User = Annotated[UUID, typer.Option(help="The user's id: the subject of their token.")]
Data = Annotated[
    Path | None,
    typer.Option(help="Data folder of a running `irisvue up`; without one, IRISVUE_* if set, else ./irisvue-data."),
]


@app.command(epilog=examples("irisvue privacy export --user UUID -o theirs.zip"))
def export(
    user: User,
    out: Annotated[Path, typer.Option("-o", "--out", help="The ZIP to write.")] = Path("irisvue-export.zip"),
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Write everything that is kept of somebody into a ZIP: rows.json and every photo, result and mask."""

    async def work() -> int:
        async with open_services(settings_at(data)) as services:
            with bar("Exporting") as tell:
                found = await subject_data.export(services, user, out, tell)
            await audit_log.record(services, user, "export", by=f"operator:{getpass.getuser()}")
        _print(found, "in the ZIP", as_json)
        return 0

    run(work())


@app.command(epilog=examples("irisvue privacy erase --user UUID", "irisvue privacy erase --user UUID --yes --json"))
def erase(
    user: User,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Remove everything that is kept of somebody, then count what is left. It can't be undone."""
    if not yes and not typer.confirm(f"Remove everything of {user}? It can't be undone.", default=False):
        raise typer.Exit(1)

    async def work() -> int:
        async with open_services(settings_at(data)) as services:
            with bar("Erasing") as tell:
                left = await subject_data.erase(services, user, tell)
        _print(left, "left", as_json)
        if not left.nothing:
            raise SetupError("Something came in while it was removed. Run it again.")
        return 0

    run(work())


@app.command(epilog=examples("irisvue privacy trail --user UUID", "irisvue privacy trail --user UUID --json"))
def trail(user: User, data: Data = None, as_json: AsJson = False) -> None:
    """Who opened what of somebody, and when: by their own token, by a signed link, or as an operator."""

    async def work() -> int:
        async with open_services(settings_at(data)) as services, services.db() as session:
            rows = await db.audit_log.accesses_of(session, user)
        if as_json:
            typer.echo(json.dumps([values_of(row) for row in rows], indent=1, default=str))
            return 0
        table = Table("first", "last", "times", "by", "what", "of", box=None, pad_edge=False)
        for row in rows:
            by = "the user" if row.actor == str(user) else row.actor
            first, last = (f"{at:%Y-%m-%d %H:%M:%S}" for at in (row.first_at, row.last_at))
            table.add_row(first, last, str(row.times), by, row.action, row.object)
        console.print(table if rows else "Nobody has opened anything.")
        return 0

    run(work())


def _print(found: HeldData, title: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    table = Table("what", title, box=None, pad_edge=False)
    for name, count in [*found.rows.items(), *found.objects.items()]:
        table.add_row(name, str(count))
    console.print(table)
