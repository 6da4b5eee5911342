"""`irisvue jobs --all`: jobs of all users, tried again or cancelled in one go."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import typer
from rich.table import Column, Table

from irisvue import AsyncClient
from orchestrator.cli.server_address import ServerOptions, require_server
from orchestrator.cli.terminal import console

JOBS = "/api/v1/operator/jobs"
AT_ONCE = 100
ENDED = ("completed", "failed", "cancelled")


@dataclass(frozen=True)
class Selection:
    """Which jobs to show: those with these ids, or the newest `limit` of a status."""

    job_ids: list[str]
    status: str | None
    limit: int


async def operators_jobs(
    options: ServerOptions, selection: Selection, *, cancel: bool, retry: bool, as_json: bool
) -> None:
    """Print the newest jobs of all users; cancel those that have not ended, or try those again that failed."""
    async with require_server(options).client() as client:
        rows = [row async for row in _select(client, selection)]
        if retry:
            await _bulk(client, "retry", [row["job_id"] for row in rows if row["status"] == "failed"])
        if cancel:
            await _bulk(client, "cancel", [row["job_id"] for row in rows if row["status"] not in ENDED])
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row))
        return
    console.print(_table(rows) if rows else "Nothing to show.")


async def _select(client: AsyncClient, selection: Selection) -> AsyncIterator[dict[str, Any]]:
    query = {"status": selection.status} if selection.status else {}
    count = 0
    async for row in client.pages(JOBS, "jobs", query):
        if selection.job_ids and row["job_id"] not in selection.job_ids:
            continue
        yield row
        count += 1
        if count >= (len(selection.job_ids) or selection.limit):
            return


async def _bulk(client: AsyncClient, action: str, job_ids: list[str]) -> None:
    done = left_out = 0
    for start in range(0, len(job_ids), AT_ONCE):
        answer = await client.request("POST", f"{JOBS}/{action}", json={"job_ids": job_ids[start : start + AT_ONCE]})
        done, left_out = done + len(answer["jobs"]), left_out + answer["left_out"]
    typer.echo(f"{action}: {done} jobs" + (f", {left_out} not possible" if left_out else ""), err=True)


def _table(rows: list[dict[str, Any]]) -> Table:
    uncut = Column("job", no_wrap=True, min_width=36)
    table = Table(
        uncut, Column("user", no_wrap=True, min_width=36), "tenant", "state", "what", box=None, pad_edge=False
    )
    for row in rows:
        what = row["error_code"] or row["current_step"]
        table.add_row(row["job_id"], row["user_id"], row["tenant"] or "", row["status"], what)
    return table
