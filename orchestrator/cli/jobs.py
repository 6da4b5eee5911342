"""`irisvue jobs`: the jobs of a running Irisvue, as a live table or as JSON."""

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Literal

import typer
from rich.live import Live
from rich.table import Column, Table

from irisvue import AsyncClient, IrisvueError, Job
from orchestrator.cli.operators_jobs import Selection, operators_jobs
from orchestrator.cli.options import DEFAULT_DATA, AsJson, DataFolder, Server, Token
from orchestrator.cli.server_address import ServerOptions, require_server
from orchestrator.cli.terminal import console, examples, fail, run
from orchestrator.errors import Conflict

app = typer.Typer()
BAR = 10
COLOURS = {"completed": "green", "failed": "red", "cancelled": "yellow"}

Jobs = dict[str, Job]
"""Jobs by id, in the order in which they are shown."""


@app.command(
    epilog=examples(
        "irisvue jobs                      the newest, live until they have ended",
        "irisvue jobs --status failed --once",
        "irisvue jobs --json --once | jq .status   one line for each job; without --once, another when it ends",
        "irisvue jobs JOB_ID JOB_ID        these",
        "irisvue jobs --all --status failed --retry   jobs of all users; the token needs the scope jobs:all",
    )
)
def jobs(
    job_ids: Annotated[list[str] | None, typer.Argument(help="Which jobs; without ids, the newest.")] = None,
    status: Annotated[
        Literal["pending", "processing", "completed", "failed", "cancelled"] | None,
        typer.Option(help="Only jobs with this status."),
    ] = None,
    limit: Annotated[int, typer.Option(help="How many jobs.", min=1, max=1000)] = 20,
    once: Annotated[bool, typer.Option("--once", help="Print them as they are now, and end.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel those that have not ended.")] = False,
    everybodys: Annotated[
        bool, typer.Option("--all", help="Jobs of all users, as they are now; needs the scope jobs:all.")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry", help="With --all: a new job for each that failed.")] = False,
    server: Server = None,
    token: Token = None,
    data: DataFolder = DEFAULT_DATA,
    as_json: AsJson = False,
) -> None:
    """Show a live table of jobs until all of them have ended (or Ctrl-C)."""
    selection = Selection(job_ids or [], status, limit)
    if everybodys:
        run(operators_jobs(ServerOptions(server, token, data), selection, cancel=cancel, retry=retry, as_json=as_json))
        return
    if retry:
        fail("--retry is for operators: use it with --all.")
    run(_jobs(ServerOptions(server, token, data), selection, once, cancel, as_json))


async def _jobs(options: ServerOptions, selection: Selection, once: bool, cancel: bool, as_json: bool) -> None:
    async with require_server(options).client() as client:
        rows = await _select(client, selection)
        if cancel:
            await _cancel(client, rows.values())
            rows = {job_id: await client.job(job_id) for job_id in rows}
        if as_json:
            for job in rows.values():
                typer.echo(json.dumps(dict(job.raw)))
        if once or all(job.ended for job in rows.values()):
            if not as_json:
                console.print(table(rows) if rows else "Nothing to show. Send a photo: irisvue process eye.jpg")
            return
        await (_follow_as_json(client, rows) if as_json else _follow(client, rows))


async def _select(client: AsyncClient, selection: Selection) -> Jobs:
    if selection.job_ids:
        return {job_id: await client.job(job_id) for job_id in selection.job_ids}
    rows: Jobs = {}
    async for job in client.jobs(status=selection.status):
        rows[job.job_id] = job
        if len(rows) >= selection.limit:
            break
    return rows


async def _cancel(client: AsyncClient, jobs: Iterable[Job]) -> None:
    for job in jobs:
        if not job.ended:
            try:
                await client.cancel(job.job_id)
            except IrisvueError as error:
                if error.status != Conflict.status:  # it has ended in the meantime
                    raise


async def _follow(client: AsyncClient, rows: Jobs) -> None:
    with Live(table(rows), console=console, refresh_per_second=8) as live:
        await asyncio.gather(*(_follow_row(client, rows, job.job_id, live) for job in _unfinished(rows)))


async def _follow_row(client: AsyncClient, rows: Jobs, job_id: str, live: Live) -> None:
    async for event in client.watch(job_id):
        changed = {"status": event.status, "progress": event.progress, "current_step": event.step}
        rows[job_id] = Job.of({**rows[job_id].raw, **changed})
        if event.last:
            rows[job_id] = await client.job(job_id)
        live.update(table(rows))


async def _follow_as_json(client: AsyncClient, rows: Jobs) -> None:
    await asyncio.gather(*(_print_when_ended(client, job.job_id) for job in _unfinished(rows)))


async def _print_when_ended(client: AsyncClient, job_id: str) -> None:
    async for event in client.watch(job_id):
        if event.last:
            typer.echo(json.dumps(dict((await client.job(job_id)).raw)))


def _unfinished(rows: Jobs) -> list[Job]:
    return [job for job in rows.values() if not job.ended]


def table(rows: Jobs) -> Table:
    """The jobs as a table: a bar while one runs, then its result or the reason why it has none."""
    uncut = Column("job", no_wrap=True, min_width=36)  # an id that is cut can't be copied
    rows_table = Table(
        uncut, Column("since", no_wrap=True), Column("state", no_wrap=True), "what", box=None, pad_edge=False
    )
    today = datetime.now(UTC).date()
    for job in rows.values():
        created = datetime.fromisoformat(job.created_at)
        since = f"{created.astimezone():%H:%M:%S}" if created.date() == today else f"{created.astimezone():%Y-%m-%d}"
        rows_table.add_row(job.job_id, since, f"[{COLOURS.get(job.status, 'cyan')}]{job.status}", _summary(job))
    return rows_table


def _summary(job: Job) -> str:
    if job.status == "completed":
        return f"{job.result_width} × {job.result_height} px in {(job.processing_time_ms or 0) / 1000:.1f} s"
    if job.ended:
        return job.error_message or job.current_step
    filled = round(job.progress * BAR / 100)
    return f"[cyan]{'━' * filled}[/][dim]{'━' * (BAR - filled)}[/] {job.progress} % {job.current_step}"
