"""The command `irisvue`, also as `python -m orchestrator`."""

import io
import sys


def main() -> None:
    """Run the command; ends with a sentence where only the client is installed."""
    try:
        from orchestrator.cli import app
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("orchestrator"):
            raise
        sys.exit(
            f"irisvue: {error.name} is not installed: the command needs more than the client.\n"
            "On one machine: pip install 'irisvue[embedded]'. For a server: pip install 'irisvue[server]'."
        )
    for stream in (sys.stdout, sys.stderr):  # a console without a letter shows another one, and the command goes on
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app()


if __name__ == "__main__":
    main()
