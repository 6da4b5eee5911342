"""The command `irisvue`."""

import asyncio
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID, uuid4

import typer

from orchestrator import cli_models, show
from orchestrator.auth import make_token
from orchestrator.client import Client
from orchestrator.config import ROOT, Settings, settings
from orchestrator.embedded.stack import Options, Stack, open_stack
from orchestrator.errors import SetupError
from orchestrator.terminal import complaints, console, run, settings_at

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
app.add_typer(cli_models.app, name="models")
SAMPLE = Path(__file__).parent / "embedded" / "sample.jpg"

Inference = Annotated[
    Literal["triton", "local"], typer.Option(help="triton: the real server. local: ONNX Runtime in the worker.")
]
Data = Annotated[Path, typer.Option(help="Folder that keeps everything between runs.")]


def _existing(photos: list[Path]) -> list[Path]:
    for photo in photos:
        if not photo.is_file():
            raise SetupError(f"There is no file {photo}.")
    return photos


@app.command()
def demo(
    photo: Annotated[Path | None, typer.Argument(help="A photo of an eye; without one, a drawn close-up.")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the results go.")] = Path("demo-output"),
    inference: Inference = "triton",
) -> None:
    """Start everything, send one photo through, write the result, stop everything."""
    run(_demo(photo or SAMPLE, out, inference))


async def _demo(photo: Path, out: Path, inference: Literal["triton", "local"]) -> int:
    _existing([photo])
    with tempfile.TemporaryDirectory(prefix="irisvue-") as folder, console.status("Starting") as status:
        async with open_stack(Options(Path(folder), inference=inference), status.update) as stack:
            status.stop()
            async with Client(stack.url, stack.token) as client:
                with show.bars(console) as progress:
                    found = await show.send(client, photo, progress)
            if isinstance(found, str):
                console.print("No result: the photo could not be processed.", style="red")
                return 1
            paths = await asyncio.to_thread(show.write, out, photo, found)
    for name, path in paths.items():
        console.print(f"  {name:<17} {path.resolve()}", soft_wrap=True, highlight=False)
    for warning in found.job["quality_warnings"] or []:
        console.print(f"  note: {warning}", style="yellow")
    return 0


@app.command()
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
    with console.status("Starting") as status:
        async with open_stack(options, status.update) as stack:
            status.stop()
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
    console.print("Ctrl-C stops it. Logs are in the data folder under logs/.")


@app.command()
def process(
    photos: Annotated[list[Path], typer.Argument(help="Photos of eyes.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Each photo's files go to OUT/name.")] = Path(
        "irisvue-output"
    ),
    server: Annotated[str | None, typer.Option(help="A running Irisvue; without one, a stack of its own.")] = None,
    token: Annotated[str | None, typer.Option(help="Bearer token for --server.", envvar="IRISVUE_TOKEN")] = None,
    inference: Inference = "triton",
) -> None:
    """Send photos through, with a bar for each. Exit status 1 if any had no result."""
    run(_process(photos, out, server, token, inference))


async def _process(
    photos: list[Path], out: Path, server: str | None, token: str | None, inference: Literal["triton", "local"]
) -> int:
    _existing(photos)
    if server and not token:
        raise SetupError("--server needs --token (make one with: irisvue token --user UUID).")
    if server and token:
        async with Client(server, token) as client:
            wrong = await show.send_all(client, photos, out, console)
    else:
        with tempfile.TemporaryDirectory(prefix="irisvue-") as folder, console.status("Starting") as status:
            async with open_stack(Options(Path(folder), inference=inference), status.update) as stack:
                status.stop()
                async with Client(stack.url, stack.token) as client:
                    wrong = await show.send_all(client, photos, out, console)
    console.print(f"{len(photos) - len(wrong)} of {len(photos)} done, in {out.resolve()}", soft_wrap=True)
    for words in wrong:
        complaints.print(words, style="red", soft_wrap=True, markup=False, highlight=False)
    return 1 if wrong else 0


@app.command()
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


@app.command()
def doctor(
    data: Data = Path("irisvue-data"), port: Annotated[int, typer.Option(help="Port that `up` would take.")] = 8000
) -> None:
    """Say what this machine lacks, each with the command that mends it."""
    from orchestrator.embedded.doctor import examine

    bad = False
    for check in examine(data, port):
        bad |= not check.good
        console.print(
            f"[{'green' if check.good else 'red'}]{'ok ' if check.good else 'BAD'}[/] {check.name}: {check.found}"
        )
        if check.mend:
            console.print(f"    {check.mend}", soft_wrap=True, highlight=False, markup=False)
    raise typer.Exit(1 if bad else 0)


@app.command()
def api(host: str = "127.0.0.1", port: int = 8000) -> None:
    """Run one API process (settings from IRISVUE_*)."""
    from orchestrator.serve import serve

    serve(settings(), host, port)


@app.command()
def worker(
    triton: Annotated[
        str | None,
        typer.Option(help="host:port, several with commas, or dns:///name:port.", envvar="IRISVUE_TRITON_URL"),
    ] = None,
) -> None:
    """Run one worker process (settings from IRISVUE_*)."""
    from orchestrator.telemetry import configure_logging
    from orchestrator.worker import run_worker

    configure_logging(settings().log_level)
    chosen = {"triton_url": triton} if triton else {}
    asyncio.run(run_worker(settings().model_copy(update=chosen)))


@app.command()
def cleanup(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    data: Annotated[Path | None, typer.Option(help="Data folder of a running `irisvue up`.")] = None,
) -> None:
    """Delete what has outlived its time and objects without an owner (workers do this by themselves every hour)."""
    from orchestrator.cleanup import clean
    from orchestrator.services import open_services

    async def work() -> int:
        async with open_services(settings_at(data)) as services:
            found = await clean(services, dry_run)
        for kind, count in found.counts().items():
            console.print(f"{'would delete' if dry_run else 'deleted'} {count:>6} {kind}", highlight=False)
            for name in getattr(found, kind) if dry_run else []:
                console.print(f"    {name}", soft_wrap=True, highlight=False, markup=False)
        console.print(f"orphans hold {found.orphan_bytes / 1e6:.1f} MB", highlight=False)
        return 0

    run(work())


@app.command()
def bench(
    measures: Annotated[list[str] | None, typer.Argument(help="Which; without names, all (about 15 minutes).")] = None,
) -> None:
    """Measure what the design promises on this machine (from a checkout, after `make test` or `make bench`)."""
    if not (ROOT / "benchmarks").is_dir():
        complaints.print("irisvue: no benchmarks here: run this from a checkout of the project.", style="red")
        raise typer.Exit(1)
    argv = [sys.executable, "-m", "benchmarks", *(measures or [])]
    raise typer.Exit(subprocess.run(argv, cwd=ROOT, check=False).returncode)  # noqa: S603


@app.command()
def openapi() -> None:
    """Print the OpenAPI document, for client generators."""
    from orchestrator.app import create_app

    typer.echo(json.dumps(create_app(Settings()).openapi(), indent=1))


@app.command()
def migrate() -> None:
    """Bring the database up to date."""
    from orchestrator.migrations import upgrade

    upgrade(settings().database_url)


if __name__ == "__main__":
    sys.exit(app())
