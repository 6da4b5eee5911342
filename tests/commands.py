"""The command line, run in a process or in this one."""

import os
import subprocess
import sys
from pathlib import Path

from typer.testing import CliRunner, Result

from orchestrator.cli import app

COMMAND = [sys.executable, "-m", "orchestrator.cli"]
WIDE = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}


def run(
    *arguments: str | Path, timeout: float = 120, cwd: Path | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    argv = [*COMMAND, *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, cwd=cwd, env=WIDE | env, check=False)


def in_process(*arguments: str) -> Result:
    """The same inside this process, for commands that start nothing."""
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "NO_COLOR": "1"})
