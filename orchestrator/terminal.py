"""What all commands share: where they print, and how they run and end."""

import asyncio
import os
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from orchestrator.config import Settings, settings
from orchestrator.embedded.stack import settings_of
from orchestrator.errors import IrisvueError

console = Console()
complaints = Console(stderr=True)


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
    except IrisvueError as error:
        complaints.print(f"irisvue: {error.detail}", style="red", markup=False, highlight=False, soft_wrap=True)
        code = 1
    raise typer.Exit(code)


def settings_at(data: Path | None) -> Settings:
    """The settings of the stack on a data folder; without one those of the environment, or of ./irisvue-data."""
    if data is None and "IRISVUE_DATABASE_URL" in os.environ:
        return settings()
    return settings_of(data or Path("irisvue-data"))
