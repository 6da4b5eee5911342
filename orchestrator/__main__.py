"""The command `irisvue`, also as `python -m orchestrator`."""

import io
import sys
from importlib.metadata import version


def main() -> None:
    """Run the command; ends with a sentence where only the client is installed."""
    try:
        from orchestrator.cli import app
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("orchestrator"):
            raise
        wheel = f"path/to/irisvue-{version('irisvue')}-py3-none-any.whl"
        sys.exit(
            f"irisvue: {error.name} is not installed: the command needs more than the client.\n"
            "In a clone of the repository, `make up` installs the rest. Elsewhere install the wheel again\n"
            "(`make wheel` makes it; it is not on the package index), for one machine or for a server:\n"
            f"  pip install '{wheel}[embedded]'\n"
            f"  pip install '{wheel}[server]'"
        )
    for stream in (sys.stdout, sys.stderr):  # a console without a letter shows another one, and the command goes on
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app()


if __name__ == "__main__":
    main()
