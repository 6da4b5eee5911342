"""`irisvue process` and `irisvue jobs`: photos through a running service, and its jobs as they go."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.live import Live
from rich.table import Column, Table

from irisvue import AsyncClient, IrisvueError, Job
from orchestrator.cli import output
from orchestrator.cli.options import Data, Server, Token
from orchestrator.cli.server_address import find, must_find
from orchestrator.cli.terminal import AsJson, complaints, console, examples, run, started
from orchestrator.embedded.stack import Options
from orchestrator.errors import Conflict, SetupError

app = typer.Typer()
Inference = Annotated[
    Literal["triton", "local"], typer.Option(help="triton: the real server. local: ONNX Runtime in the worker.")
]
BAR = 10
COLOURS = {"completed": "green", "failed": "red", "cancelled": "yellow"}


@app.command(
    epilog=examples(
        "irisvue process eye.jpg",
        "irisvue process *.jpg -o out --json",
        "irisvue process eye.heic --server https://iris.example.com --token $TOKEN",
    )
)
def process(
    photos: Annotated[list[Path], typer.Argument(help="Photos of eyes: JPEG, PNG, WebP or HEIC.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Each photo's files go to OUT/name.")] = Path(
        "irisvue-output"
    ),
    server: Server = None,
    token: Token = None,
    data: Data = Path("irisvue-data"),
    inference: Inference = "triton",
    as_json: AsJson = False,
) -> None:
    """Send photos through, with a bar for each. Where nothing runs, a stack of its own is started for it."""
    run(_process(photos, out, (server, token, data), inference, as_json))


async def _process(
    photos: list[Path],
    out: Path,
    asked: tuple[str | None, str | None, Path],
    inference: Literal["triton", "local"],
    as_json: bool,
) -> int:
    for photo in photos:
        if not photo.is_file():
            raise SetupError(f"There is no file {photo}.")
    async with _client(find(*asked), inference) as client:
        done = await output.send_all(client, photos, out, console if not as_json else complaints)
    wrong = [sent for sent in done if sent.wrong]
    if as_json:
        for sent in done:
            typer.echo(json.dumps(sent.as_json()))
        return 1 if wrong else 0
    console.print(f"{len(done) - len(wrong)} of {len(done)} done, in {out.resolve()}", soft_wrap=True)
    for sent in wrong:
        complaints.print(f"{sent.photo}: {sent.wrong}", style="red", soft_wrap=True, markup=False, highlight=False)
    return 1 if wrong else 0


@asynccontextmanager
async def _client(there: tuple[str, str] | None, inference: Literal["triton", "local"]) -> AsyncIterator[AsyncClient]:
    if there:
        async with AsyncClient(*there) as client:
            async for _ in client.jobs():  # a server that is away, or a wrong token, is said at once
                break
            yield client
        return
    with tempfile.TemporaryDirectory(prefix="irisvue-") as folder:
        async with started(Options(Path(folder), inference=inference)) as stack:
            async with AsyncClient(stack.url, stack.token) as client:
                yield client


@app.command(
    epilog=examples(
        "irisvue jobs                      the newest, live until they have ended",
        "irisvue jobs --status failed --once",
        "irisvue jobs --json --once | jq .status   a line a job; live, another one when it ends",
        "irisvue jobs JOB_ID JOB_ID        these",
    )
)
def jobs(
    job_ids: Annotated[list[str] | None, typer.Argument(help="Which jobs; without ids, the newest.")] = None,
    status: Annotated[
        Literal["pending", "processing", "completed", "failed", "cancelled"] | None,
        typer.Option(help="Only jobs in this state."),
    ] = None,
    limit: Annotated[int, typer.Option(help="How many.", min=1, max=1000)] = 20,
    once: Annotated[bool, typer.Option("--once", help="Show them as they stand, and end.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel those that have not ended.")] = False,
    server: Server = None,
    token: Token = None,
    data: Data = Path("irisvue-data"),
    as_json: AsJson = False,
) -> None:
    """A live table of jobs, until all that it shows have ended (or Ctrl-C)."""
    run(_jobs((server, token, data), job_ids or [], status, limit, once, cancel, as_json))


async def _jobs(
    asked: tuple[str | None, str | None, Path],
    job_ids: list[str],
    status: str | None,
    limit: int,
    once: bool,
    cancel: bool,
    as_json: bool,
) -> int:
    async with AsyncClient(*must_find(*asked)) as client:
        rows = await _rows(client, job_ids, status, limit)
        if cancel:
            await _cancel(client, rows)
            rows = {job_id: await client.job(job_id) for job_id in rows}
        if as_json:
            for job in rows.values():
                typer.echo(json.dumps(dict(job.raw)))
        if once or all(job.ended for job in rows.values()):
            if not as_json:
                console.print(table(rows) if rows else "Nothing here. Send a photo: irisvue process eye.jpg")
            return 0
        await (_follow_json(client, rows) if as_json else _follow(client, rows))
    return 0


async def _rows(client: AsyncClient, job_ids: list[str], status: str | None, limit: int) -> dict[str, Job]:
    if job_ids:
        return {job_id: await client.job(job_id) for job_id in job_ids}
    rows: dict[str, Job] = {}
    async for job in client.jobs(status=status):
        rows[job.job_id] = job
        if len(rows) >= limit:
            break
    return rows


async def _cancel(client: AsyncClient, rows: dict[str, Job]) -> None:
    for job in rows.values():
        if not job.ended:
            try:
                await client.cancel(job.job_id)
            except IrisvueError as error:
                if error.status != Conflict.status:  # it ended by itself
                    raise


async def _follow(client: AsyncClient, rows: dict[str, Job]) -> None:
    with Live(table(rows), console=console, refresh_per_second=8) as live:

        async def one(job_id: str) -> None:
            async for event in client.watch(job_id):
                changed = {"status": event.status, "progress": event.progress, "current_step": event.step}
                rows[job_id] = Job.of({**rows[job_id].raw, **changed})
                if event.last:
                    rows[job_id] = await client.job(job_id)
                live.update(table(rows))

        await asyncio.gather(*(one(job_id) for job_id, job in rows.items() if not job.ended))


async def _follow_json(client: AsyncClient, rows: dict[str, Job]) -> None:
    async def one(job_id: str) -> None:
        async for event in client.watch(job_id):
            if event.last:
                typer.echo(json.dumps(dict((await client.job(job_id)).raw)))

    await asyncio.gather(*(one(job_id) for job_id, job in rows.items() if not job.ended))


def table(rows: dict[str, Job]) -> Table:
    """The jobs as a table: a bar where one runs, the result or the reason where one has ended."""
    whole = Column("job", no_wrap=True, min_width=36)  # an id that is cut can't be copied
    found = Table(whole, Column("since", no_wrap=True), Column("state", no_wrap=True), "what", box=None, pad_edge=False)
    today = datetime.now(UTC).date()
    for job in rows.values():
        at = datetime.fromisoformat(job.created_at)
        since = f"{at.astimezone():%H:%M:%S}" if at.date() == today else f"{at.astimezone():%Y-%m-%d}"
        found.add_row(job.job_id, since, f"[{COLOURS.get(job.status, 'cyan')}]{job.status}", _what(job))
    return found


def _what(job: Job) -> str:
    if job.status == "completed":
        return f"{job.result_width} × {job.result_height} px in {(job.processing_time_ms or 0) / 1000:.1f} s"
    if job.ended:
        return job.error_message or job.current_step
    filled = round(job.progress * BAR / 100)
    return f"[cyan]{'━' * filled}[/][dim]{'━' * (BAR - filled)}[/] {job.progress} % {job.current_step}"
