"""`irisvue process`: send photos, follow them to their end, and write what comes back."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID

from irisvue import AsyncClient, Job, JobFailed
from irisvue import IrisvueError as ClientError
from orchestrator.cli.options import DEFAULT_DATA, AsJson, DataFolder, Inference, Server, Token
from orchestrator.cli.server_address import RunningServer, ServerOptions, find_server, running_stack
from orchestrator.cli.terminal import console, error_console, examples, photo_bars, run
from orchestrator.config import InferenceBackend
from orchestrator.embedded.stack import Options
from orchestrator.errors import IrisvueError, SetupError

app = typer.Typer()
AT_ONCE = 4


@dataclass(frozen=True)
class SentPhoto:
    """What became of a photo: its finished job and the files written, or the reason why there are none."""

    photo: Path
    job: Job | None = None
    files: Mapping[str, Path] = field(default_factory=dict)
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "photo": str(self.photo),
            "error": self.error or None,
            "files": {name: str(path) for name, path in self.files.items()},
            "job": self.job and dict(self.job.raw),
        }


@app.command(
    epilog=examples(
        "irisvue process eye.jpg",
        "irisvue process *.jpg -o out --json",
        "irisvue process eye.heic --server https://iris.example.com --token $TOKEN",
    )
)
def process(
    photos: Annotated[list[Path], typer.Argument(help="Photos of eyes: JPEG, PNG, WebP, HEIC or AVIF.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Each photo's files go to OUT/name.")] = Path(
        "irisvue-output"
    ),
    server: Server = None,
    token: Token = None,
    data: DataFolder = DEFAULT_DATA,
    inference: Inference = "triton",
    as_json: AsJson = False,
) -> None:
    """Process photos, with a bar for each. Where no Irisvue runs, one is started for them and stopped afterwards."""
    run(_process(photos, out, ServerOptions(server, token, data), inference, as_json))


async def _process(
    photos: list[Path], out: Path, options: ServerOptions, inference: InferenceBackend, as_json: bool
) -> int:
    for photo in photos:
        require_file(photo)
    async with _client(find_server(options), inference) as client:
        outcomes = await send_all(client, photos, out, error_console if as_json else console)
    failed = [outcome for outcome in outcomes if outcome.error]
    if as_json:
        for outcome in outcomes:
            typer.echo(json.dumps(outcome.as_json()))
        return 1 if failed else 0
    console.print(f"{len(outcomes) - len(failed)} of {len(outcomes)} done, in {out.resolve()}", soft_wrap=True)
    for outcome in failed:
        error_console.print(
            f"{outcome.photo}: {outcome.error}", style="red", soft_wrap=True, markup=False, highlight=False
        )
    return 1 if failed else 0


@asynccontextmanager
async def _client(server: RunningServer | None, inference: InferenceBackend) -> AsyncIterator[AsyncClient]:
    """A client of this Irisvue, or of one that is started for it."""
    if server:
        async with server.client() as client:
            async for _ in client.jobs():  # fail at once where the server does not answer or refuses the token
                break
            yield client
        return
    with tempfile.TemporaryDirectory(prefix="irisvue-") as folder:
        async with running_stack(Options(Path(folder), inference=inference)) as stack:
            async with AsyncClient(stack.url, stack.token) as client:
                yield client


def require_file(path: Path) -> None:
    """Raises SetupError unless the file exists."""
    if not path.is_file():
        raise SetupError(f"There is no file {path}.")


async def send_all(client: AsyncClient, photos: list[Path], out: Path, console: Console) -> list[SentPhoto]:
    """Send photos, a few at once, and write the files of each into a folder of its own under `out`."""
    from orchestrator.cli.output import folders_for

    places = asyncio.Semaphore(AT_ONCE)
    with photo_bars(console) as progress:
        pairs = zip(photos, folders_for(photos, out), strict=True)
        return await asyncio.gather(*(_send_in_turn(places, client, *pair, progress) for pair in pairs))


async def _send_in_turn(
    places: asyncio.Semaphore, client: AsyncClient, photo: Path, out: Path, progress: Progress
) -> SentPhoto:
    async with places:
        return await send(client, photo, out, progress)


async def send(client: AsyncClient, photo: Path, out: Path, progress: Progress) -> SentPhoto:
    """Send one photo, follow it on a bar of its own until it has ended, and write its files into `out`."""
    from orchestrator.cli.output import write_files

    bar = progress.add_task("Uploading...", name=photo.name, total=100)
    try:
        job = await client.process(photo, on_step=partial(_show_step, progress, bar))
        result, mask = await asyncio.gather(client.result(job), client.mask(job))
        return SentPhoto(photo, job, await asyncio.to_thread(write_files, out, photo, job, result, mask))
    except JobFailed as failure:
        error, job = failure.detail, failure.job
    except (ClientError, IrisvueError) as failure:
        error, job = failure.detail, None
    except OSError as failure:
        error, job = f"{failure.strerror}", None
    progress.update(bar, description=f"[red]{escape(error)}")
    return SentPhoto(photo, job, error=error)


def _show_step(progress: Progress, bar: TaskID, percent: float, words: str) -> None:
    progress.update(bar, completed=percent, description=words)
