"""Irisvue: a photo of an eye goes in, a finished iris picture comes out."""

import os
import sys

__version__ = "0.1.0"

# ONNX Runtime reports usage to its maker and keeps a session file in the temporary folder unless told not to.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


def main() -> None:
    """The command `irisvue`. Ends with a sentence where only the client is installed."""
    try:
        from orchestrator.cli import app
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("orchestrator"):
            raise
        sys.exit(
            f"irisvue: {error.name} is not installed: the command needs more than the client.\n"
            "On one machine: pip install 'irisvue[embedded]'. For a server: pip install 'irisvue[server]'."
        )
    app()
