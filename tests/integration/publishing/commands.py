"""`irisvue …` as it is typed into a shell."""

import asyncio
import os
import shlex
import sys
from pathlib import Path


async def run_line(line: str, folder: Path, **env: str) -> str:
    """Run the command in this folder; returns what it printed. Fails with that if the exit status is not 0."""
    program, *words = shlex.split(line)
    assert program == "irisvue"
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-m", "orchestrator.cli", *words],
        cwd=folder,
        env=os.environ | env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed = (await process.communicate())[0].decode()
    assert process.returncode == 0, f"{line}: {printed}"
    return printed
