"""What all commands share: where they print, and how they run and end."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from irisvue import IrisvueError as ClientError
from orchestrator.config import Settings
from orchestrator.config_check import read_settings, unknown_names
from orchestrator.embedded.stack import Options, Stack, open_stack, settings_of
from orchestrator.errors import IrisvueError, SetupError
from orchestrator.observability.logs import configure_logging
from orchestrator.reporting import Report

console = Console()
complaints = Console(stderr=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
STATUS = "Exit status: 0 done · 1 it did not work, and stderr says why · 2 not understood · 130 stopped."


def examples(*lines: str) -> str:
    """The end of a command's help."""
    return "\n\n".join(["[bold]Examples[/]", *(f"  {line.replace('[', chr(92) + '[')}" for line in lines)])


@contextmanager
def bar(name: str) -> Iterator[Report]:
    """A bar on standard error while something works; it goes when the work is done, and into no pipe or file."""
    columns = (
        TextColumn(name),
        BarColumn(bar_width=28),
        TaskProgressColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=complaints, transient=True, disable=not complaints.is_terminal) as progress:
        task = progress.add_task("", total=1.0)
        yield lambda words, done: progress.update(task, description=words, completed=done)


@asynccontextmanager
async def started(options: Options) -> AsyncIterator[Stack]:
    """A running stack, with a bar while it starts. Raises as `open_stack`."""
    with ExitStack() as shown:
        tell = shown.enter_context(bar("Starting"))
        async with open_stack(options, tell) as stack:
            shown.close()
            yield stack


def run(work: Coroutine[Any, Any, int]) -> None:
    """Run until done or told to stop (Ctrl-C, SIGTERM): the work is cancelled once and cleans up."""

    async def main() -> int:
        task = asyncio.ensure_future(work)
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            return 130

    try:
        code = asyncio.run(main())
    except (IrisvueError, ClientError) as error:
        complaints.print(f"irisvue: {error.detail}", style="red", markup=False, highlight=False, soft_wrap=True)
        code = 1
    raise typer.Exit(code)


@contextmanager
def told_in_words() -> Iterator[None]:
    """What a process can't start without is said in a line, and ends it."""
    try:
        yield
    except SetupError as error:
        complaints.print(f"irisvue: {error.detail}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


def checked() -> Settings:
    """This process's settings; ends the program with a line for everything that is wrong with them."""
    for line in unknown_names():
        complaints.print(f"irisvue: {line}", style="yellow", markup=False, highlight=False, soft_wrap=True)
    try:
        return read_settings()
    except SetupError as error:
        for line in error.detail.splitlines():
            complaints.print(f"irisvue: {line}", style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None


def settings_at(data: Path | None) -> Settings:
    """The settings of the stack on a data folder; without one those of the environment, or of ./irisvue-data."""
    configure_logging("WARNING")  # a command says itself what it did
    if data is None and "IRISVUE_DATABASE_URL" in os.environ:
        return read_settings()
    return settings_of(data or Path("irisvue-data"))
