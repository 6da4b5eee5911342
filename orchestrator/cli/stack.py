"""`irisvue demo`, `up`, `token` and `doctor`: everything on this machine."""

import asyncio
import os
import re
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID, uuid4

import typer

from irisvue import AsyncClient
from orchestrator.auth.tokens import make_token
from orchestrator.cli.options import DEFAULT_DATA, AsJson, DataFolder, Inference
from orchestrator.cli.photos import require_file, send
from orchestrator.cli.server_address import running_stack
from orchestrator.cli.terminal import console, examples, exit_on_setup_error, fail, photo_bars, print_json, run
from orchestrator.config import InferenceBackend
from orchestrator.config_check import typed_settings
from orchestrator.embedded.certificate import files_of
from orchestrator.embedded.data_folder import read_secret
from orchestrator.embedded.stack import Options, Stack

if TYPE_CHECKING:
    from orchestrator.embedded.doctor import Check

app = typer.Typer()
ORIGIN = r"https?://[^/\s?#@]+"
SAMPLE = Path(__file__).parent.parent / "embedded" / "sample.jpg"


@app.command(epilog=examples("irisvue demo", "irisvue demo my-eye.jpg -o out"))
def demo(
    photo: Annotated[Path | None, typer.Argument(help="A photo of an eye; without one, a drawn close-up.")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the results go.")] = Path("demo-output"),
    inference: Inference = "triton",
) -> None:
    """Start everything, process one photo, write the result, stop everything."""
    run(_demo(photo or SAMPLE, out, inference))


async def _demo(photo: Path, out: Path, inference: InferenceBackend) -> int:
    require_file(photo)
    with tempfile.TemporaryDirectory(prefix="irisvue-") as folder:
        async with running_stack(Options(Path(folder), inference=inference)) as stack:
            async with AsyncClient(stack.url, stack.token) as client:
                with photo_bars(console) as progress:
                    sent = await send(client, photo, out, progress)
    if sent.job is None or sent.error:
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
        "irisvue up --host 192.168.1.20 --https     then open the page on your phone",
        "irisvue up --cors https://app.example.com  a page elsewhere may call it; pages of this machine may anyhow",
    )
)
def up(
    data: DataFolder = DEFAULT_DATA,
    port: Annotated[int, typer.Option(help="Port of the API; 0 takes a free one.", min=0, max=65535)] = 8000,
    host: Annotated[
        str,
        typer.Option(help="Address that the API listens on; for a phone, this machine's address in your network."),
    ] = "127.0.0.1",
    workers: Annotated[int, typer.Option(help="Number of worker processes.", min=1, max=64)] = 1,
    inference: Inference = "triton",
    https: Annotated[
        bool, typer.Option("--https", help="Serve over https, with a certificate of the data folder's own.")
    ] = False,
    triton: Annotated[
        str | None,
        typer.Option(
            help="Use Triton servers that run elsewhere: host:port, several separated by commas, or dns:///name:port."
        ),
    ] = None,
    cors: Annotated[
        list[str] | None,
        typer.Option(help="Origin of a web page that may call the API, as https://app.example.com; more than once."),
    ] = None,
) -> None:
    """Run everything on this machine until Ctrl-C."""
    for origin in cors or []:
        if not re.fullmatch(ORIGIN, origin):
            fail(f"--cors {origin} is no origin. Name scheme, host and port alone: https://app.example.com")
    run(_up(Options(data, port, workers, inference, triton=triton, host=host, https=https, cors=tuple(cors or ()))))


async def _up(options: Options) -> None:
    async with running_stack(options) as stack:
        _introduce(stack)
        try:
            await stack.keep_running()
        finally:
            console.print("Stopping ...")


def _introduce(stack: Stack) -> None:
    lines = {
        "Page": f"{stack.url}/#token={stack.page_token}",
        "API": stack.url,
        "Docs": f"{stack.url}/docs",
        "Token": stack.token,
        "Data": str(stack.folder),
    }
    if stack.url.startswith("https:"):
        files = files_of(stack.folder)
        lines["Trust"] = f"{files.authority} (SHA-256 {files.fingerprint})"
    for name, value in lines.items():
        console.print(f"{name + ':':<7}{value}", soft_wrap=True, highlight=False)
    console.print(
        f"Open the page, choose a photo of an eye (none at hand: {SAMPLE}) and press Process all. "
        "Ctrl-C stops everything. Logs are in the data folder under logs/.",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )


@app.command(
    epilog=examples(
        "irisvue token",
        "irisvue token --user 7d3c8b1e-5a0c-4a3e-9d51-2f6f0c1b7a10 --scope models:write",
    )
)
def token(
    user: Annotated[UUID | None, typer.Option(help="User id; without one, a new user.")] = None,
    data: DataFolder = DEFAULT_DATA,
    scope: Annotated[str, typer.Option(help="Scopes, separated by blanks; models:write may route models.")] = "",
) -> None:
    """Print a token for a user, signed with IRISVUE_JWT_SECRET or the secret of the data folder."""
    with exit_on_setup_error():
        secret = typed_settings().jwt_secret
    key = secret.get_secret_value() if secret else read_secret(data, "jwt")
    if key is None:
        fail(
            f"no secret in {data.resolve()}. Run this in the folder where `irisvue up` runs, name its data folder with "
            "--data, or set IRISVUE_JWT_SECRET."
        )
    typer.echo(make_token(user or uuid4(), key, scope=scope))


@app.command(epilog=examples("irisvue doctor", "irisvue doctor --port 8080 --json"))
def doctor(
    data: DataFolder = DEFAULT_DATA,
    port: Annotated[int, typer.Option(help="Port that `up` would take.")] = 8000,
    as_json: AsJson = False,
) -> None:
    """Check this machine for `up` or, with IRISVUE_DATABASE_URL set, that service; say how to fix what is wrong."""
    from orchestrator.embedded.doctor import examine_machine, examine_service

    of_service = "IRISVUE_DATABASE_URL" in os.environ
    checks = asyncio.run(examine_service()) if of_service else examine_machine(data, port)
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        for check in checks:
            _print_check(check)
    raise typer.Exit(0 if all(check.good for check in checks) else 1)


def _print_check(check: "Check") -> None:
    console.print(
        f"[{'green' if check.good else 'red'}]{'ok ' if check.good else 'BAD'}[/] {check.name}: {check.found}"
    )
    if check.mend:
        console.print(f"    {check.mend}", soft_wrap=True, highlight=False, markup=False)
