"""What is kept of one person: hand it over, or remove it with proof."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from orchestrator import privacy
from orchestrator.errors import SetupError
from orchestrator.privacy import Kept
from orchestrator.services import open_services
from orchestrator.terminal import AsJson, bar, console, examples, run, settings_at

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
                found = await privacy.export(services, user, out, tell)
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
                left = await privacy.erase(services, user, tell)
        _print(left, "left", as_json)
        if not left.nothing:
            raise SetupError("Something came in while it was removed. Run it again.")
        return 0

    run(work())


def _print(found: Kept, title: str, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(found)))
        return
    table = Table("what", title, box=None, pad_edge=False)
    for name, count in [*found.rows.items(), *found.objects.items()]:
        table.add_row(name, str(count))
    console.print(table)
