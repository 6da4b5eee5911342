"""The command `irisvue`, also as `python -m orchestrator`."""

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
    app()


if __name__ == "__main__":
    main()
