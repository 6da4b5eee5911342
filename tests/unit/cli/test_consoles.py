"""Consoles and files that lack letters, as on Windows: the commands go on with others."""

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("encoding", ["ascii", "cp437"])
def test_help_is_shown_whatever_letters_a_console_has(encoding: str) -> None:
    env = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run([sys.executable, "-m", "orchestrator", "--help"], capture_output=True, env=env, check=False)
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr[-500:]
    assert b"irisvue" in done.stdout.lower()
