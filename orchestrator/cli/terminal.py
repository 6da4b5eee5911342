"""The terminal: where commands print, their progress bars, and how they run and end."""

import asyncio
import json
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from irisvue import IrisvueError as ClientError
from orchestrator.config import Settings
from orchestrator.config_check import read_settings, unknown_names
from orchestrator.errors import IrisvueError, SetupError
from orchestrator.reporting import Report

console = Console()
error_console = Console(stderr=True)
EXIT_STATUS = "Exit status: 0 done · 1 failed, and stderr says why · 2 wrong usage · 130 stopped."
INTERRUPTED = 130
BAR_WIDTH = 28


def examples(*lines: str) -> str:
    """The end of a command's help."""
    return "\n\n".join(["[bold]Examples[/]", *(f"  {line.replace('[', chr(92) + '[')}" for line in lines)])


@contextmanager
def bar(name: str, console: Console = error_console) -> Iterator[Report]:
    """A progress bar that is cleared when the work is done; nothing is shown where the console is no terminal."""
    columns = (
        TextColumn(name),
        BarColumn(bar_width=BAR_WIDTH),
        TaskProgressColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("", total=1.0)
        yield lambda words, done: progress.update(task, description=words, completed=done)


def photo_bars(console: Console) -> Progress:
    """One bar for each photo, with the photo's name, the words of its current step, and the time."""
    return Progress(
        TextColumn("{task.fields[name]}"),
        BarColumn(bar_width=BAR_WIDTH),
        TaskProgressColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
    )


def print_json(value: Any) -> None:
    """Print rows for programs; dates and ids as text."""
    typer.echo(json.dumps(value, indent=1, default=str))


def print_error(message: str, style: str = "red") -> None:
    """Print a sentence to standard error, as the program's own."""
    error_console.print(f"irisvue: {message}", style=style, markup=False, highlight=False, soft_wrap=True)


def print_note(message: str) -> None:
    """Print a sentence to standard error that is no error."""
    print_error(message, style="yellow")


def fail(message: str) -> NoReturn:
    """Print what went wrong and end the program with status 1."""
    print_error(message)
    raise typer.Exit(1)


def run(work: Coroutine[Any, Any, int | None]) -> NoReturn:
    """Run a command and exit with the status it returns (None: 0); Ctrl-C and SIGTERM cancel it, so it cleans up."""
    try:
        status = asyncio.run(_until_stopped(work)) or 0
    except (IrisvueError, ClientError) as error:
        fail(error.detail)
    except Exception as error:
        if words := refusal_of_the_database(error):
            fail(words)
        raise
    raise typer.Exit(status)


def refusal_of_the_database(error: BaseException) -> str:
    """The sentence for an error that says that IRISVUE_DATABASE_URL is wrong; "" for every other error."""
    from orchestrator.db.reasons import is_refusal, reason

    return f"The database refuses us: {reason(error)}. Look at IRISVUE_DATABASE_URL." if is_refusal(error) else ""


async def _until_stopped(work: Coroutine[Any, Any, int | None]) -> int | None:
    task = asyncio.ensure_future(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    try:
        return await task
    except asyncio.CancelledError:
        return INTERRUPTED


@contextmanager
def exit_on_setup_error() -> Iterator[None]:
    """End the program with a sentence, not a traceback, when something that it needs is missing."""
    try:
        yield
    except SetupError as error:
        print_error(error.detail)
        raise typer.Exit(1) from None


def checked_settings() -> Settings:
    """This process's settings; ends the program with a line for each one that is wrong."""
    for line in unknown_names():
        print_error(line, style="yellow")
    try:
        return read_settings()
    except SetupError as error:
        for line in error.detail.splitlines():
            print_error(line)
        raise typer.Exit(1) from None
