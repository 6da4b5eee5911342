"""The command `irisvue`."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import typer
from typer.core import TyperGroup

from irisvue import AsyncClient
from orchestrator.auth.tokens import make_token
from orchestrator.cli import jobs, output
from orchestrator.cli.jobs import Inference
from orchestrator.cli.terminal import (
    STATUS,
    AsJson,
    bar,
    checked,
    complaints,
    console,
    examples,
    run,
    settings_at,
    started,
    told_in_words,
)
from orchestrator.config import ROOT, Settings, settings
from orchestrator.embedded.stack import Options, Stack
from orchestrator.errors import SetupError


class Commands(TyperGroup):
    """Groups that reach the database or Triton are imported when they are asked for: their libraries take a second."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands."""
        return [*super().list_commands(ctx), "models", "privacy"]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or None."""
        if cmd_name == "models":
            from orchestrator.cli import models

            return self._named(cmd_name, models.app)
        if cmd_name == "privacy":
            from orchestrator.cli import privacy

            return self._named(cmd_name, privacy.app)
        return super().get_command(ctx, cmd_name)

    @staticmethod
    def _named(name: str, group: typer.Typer) -> Any:
        command = typer.main.get_command(group)
        command.name = name
        return command


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="A photo of an eye goes in, a finished iris picture comes out.",
    epilog=f"{STATUS} --install-completion completes commands in your shell.",
)
app.add_typer(jobs.app)
PARTS = "For operators and developers"
SAMPLE = Path(__file__).parent.parent / "embedded" / "sample.jpg"

Data = Annotated[Path, typer.Option(help="Folder that keeps everything between runs.")]


@app.command(epilog=examples("irisvue demo", "irisvue demo my-eye.jpg -o out"))
def demo(
    photo: Annotated[Path | None, typer.Argument(help="A photo of an eye; without one, a drawn close-up.")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the results go.")] = Path("demo-output"),
    inference: Inference = "triton",
) -> None:
    """Start everything, send one photo through, write the result, stop everything."""
    run(_demo(photo or SAMPLE, out, inference))


async def _demo(photo: Path, out: Path, inference: Literal["triton", "local"]) -> int:
    if not photo.is_file():
        raise SetupError(f"There is no file {photo}.")
    with tempfile.TemporaryDirectory(prefix="irisvue-") as folder:
        async with started(Options(Path(folder), inference=inference)) as stack:
            async with AsyncClient(stack.url, stack.token) as client:
                with output.bars(console) as progress:
                    sent = await output.send(client, photo, out, progress)
    if sent.job is None or sent.wrong:
        console.print("No result: the photo could not be processed.", style="red")
        return 1
    for name, path in sent.files.items():
        console.print(f"  {name:<17} {path.resolve()}", soft_wrap=True, highlight=False)
    for warning in sent.job.quality_warnings or []:
        console.print(f"  note: {warning}", style="yellow")
    return 0


@app.command(
    epilog=examples(
        "irisvue up",
        "irisvue up --workers 2 --port 8080",
        "irisvue up --host 192.168.1.20             then open the page on your phone",
    )
)
def up(
    data: Data = Path("irisvue-data"),
    port: Annotated[int, typer.Option(help="Port of the API; 0 takes a free one.", min=0, max=65535)] = 8000,
    host: Annotated[
        str, typer.Option(help="Address of this machine that the API listens on; its own in your network, for a phone.")
    ] = "127.0.0.1",
    workers: Annotated[int, typer.Option(help="Worker processes.", min=1, max=64)] = 1,
    inference: Inference = "triton",
    triton: Annotated[
        str | None,
        typer.Option(help="Use servers that run elsewhere: host:port, several with commas, or dns:///name:port."),
    ] = None,
) -> None:
    """Run everything on this machine until Ctrl-C."""
    run(_up(Options(data, port, workers, inference, triton=triton, host=host)))


async def _up(options: Options) -> int:
    async with started(options) as stack:
        _introduce(stack)
        try:
            await stack.keep_running()
        finally:
            console.print("Stopping ...")
    return 0


def _introduce(stack: Stack) -> None:
    lines = {
        "Page": f"{stack.url}/#token={stack.token}",
        "API": stack.url,
        "Docs": f"{stack.url}/docs",
        "Token": stack.token,
        "Data": str(stack.folder),
    }
    for name, value in lines.items():
        console.print(f"{name + ':':<7}{value}", soft_wrap=True, highlight=False)
    console.print(
        "Open the page and take a photo of an eye. Ctrl-C stops everything. Logs are in the data folder under logs/.",
        soft_wrap=True,
    )


@app.command(
    epilog=examples(
        "irisvue token",
        "irisvue token --user 7d3c8b1e-5a0c-4a3e-9d51-2f6f0c1b7a10 --scope models:write",
    )
)
def token(
    user: Annotated[UUID | None, typer.Option(help="User id; without one, a new user.")] = None,
    data: Data = Path("irisvue-data"),
    scope: Annotated[str, typer.Option(help="Scopes, blanks between; models:write may route models.")] = "",
) -> None:
    """Print a token for a user, signed with IRISVUE_JWT_SECRET or the secret of the data folder."""
    secret = settings().jwt_secret
    path = data / "secrets" / "jwt"
    if secret is None and not path.exists():
        complaints.print(
            f"irisvue: no secret: set IRISVUE_JWT_SECRET, or start `irisvue up` once ({path}).", style="red"
        )
        raise typer.Exit(1)
    key = secret.get_secret_value() if secret else path.read_text()
    typer.echo(make_token(user or uuid4(), key, scope=scope))


@app.command(epilog=examples("irisvue doctor", "irisvue doctor --port 8080 --json"))
def doctor(
    data: Data = Path("irisvue-data"),
    port: Annotated[int, typer.Option(help="Port that `up` would take.")] = 8000,
    as_json: AsJson = False,
) -> None:
    """Say what this machine lacks for `up`; with IRISVUE_DATABASE_URL, what that service lacks. Each with its cure."""
    from orchestrator.embedded.doctor import examine, examine_service

    of_a_service = "IRISVUE_DATABASE_URL" in os.environ
    found, bad = asyncio.run(examine_service()) if of_a_service else examine(data, port), False
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in found], indent=1))
        raise typer.Exit(0 if all(check.good for check in found) else 1)
    for check in found:
        bad |= not check.good
        console.print(
            f"[{'green' if check.good else 'red'}]{'ok ' if check.good else 'BAD'}[/] {check.name}: {check.found}"
        )
        if check.mend:
            console.print(f"    {check.mend}", soft_wrap=True, highlight=False, markup=False)
    raise typer.Exit(1 if bad else 0)


@app.command(rich_help_panel=PARTS)
def api(host: str = "127.0.0.1", port: int = 8000) -> None:
    """Run one API process (settings from IRISVUE_*)."""
    from orchestrator.api.server import serve
    from orchestrator.observability.tracing import configure_tracing
    from orchestrator.services import reach

    found = checked()
    configure_tracing(found, "api")
    with told_in_words():
        asyncio.run(reach(found))
    serve(found, host, port)


@app.command(rich_help_panel=PARTS)
def worker(
    triton: Annotated[
        str | None,
        typer.Option(help="host:port, several with commas, or dns:///name:port.", envvar="IRISVUE_TRITON_URL"),
    ] = None,
) -> None:
    """Run one worker process (settings from IRISVUE_*)."""
    from orchestrator.observability.logs import configure_logging
    from orchestrator.observability.tracing import configure_tracing
    from orchestrator.worker.main import run_worker

    found = checked()
    configure_logging(found.log_level)
    configure_tracing(found, "worker")
    with told_in_words():
        asyncio.run(run_worker(found.model_copy(update={"triton_url": triton} if triton else {})))


@app.command(rich_help_panel=PARTS, epilog=examples("irisvue cleanup --dry-run", "irisvue cleanup --json"))
def cleanup(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    data: Annotated[Path | None, typer.Option(help="Data folder of a running `irisvue up`.")] = None,
    as_json: AsJson = False,
) -> None:
    """Delete what has outlived its time and objects without an owner (workers do this by themselves every hour)."""
    from orchestrator.privacy.retention import clean
    from orchestrator.services import open_services

    async def work() -> int:
        async with open_services(settings_at(data)) as services:
            with bar("Cleaning") as tell:
                found = await clean(services, dry_run, tell)
        if as_json:
            typer.echo(json.dumps({"dry_run": dry_run, **asdict(found)}, indent=1))
            return 0
        for kind, count in found.counts().items():
            console.print(f"{'would delete' if dry_run else 'deleted'} {count:>6} {kind}", highlight=False)
            for name in getattr(found, kind) if dry_run else []:
                console.print(f"    {name}", soft_wrap=True, highlight=False, markup=False)
        console.print(f"orphans hold {found.orphan_bytes / 1e6:.1f} MB", highlight=False)
        return 0

    run(work())


@app.command(rich_help_panel=PARTS)
def bench(
    measures: Annotated[list[str] | None, typer.Argument(help="Which; without names, all (about 15 minutes).")] = None,
) -> None:
    """Measure what the design promises on this machine (from a checkout, after `make test` or `make bench`)."""
    if not (ROOT / "benchmarks").is_dir():
        complaints.print("irisvue: no benchmarks here: run this from a checkout of the project.", style="red")
        raise typer.Exit(1)
    argv = [sys.executable, "-m", "benchmarks", *(measures or [])]
    raise typer.Exit(subprocess.run(argv, cwd=ROOT, check=False).returncode)  # noqa: S603


@app.command(rich_help_panel=PARTS)
def openapi() -> None:
    """Print the OpenAPI document, for client generators."""
    from orchestrator.api.app import create_app

    typer.echo(json.dumps(create_app(Settings()).openapi(), indent=1))


@app.command(rich_help_panel=PARTS)
def migrate() -> None:
    """Bring the database up to date."""
    from orchestrator.db.migrations import upgrade

    found = checked()
    with told_in_words():
        upgrade(found.database_url)


if __name__ == "__main__":
    sys.exit(app())
