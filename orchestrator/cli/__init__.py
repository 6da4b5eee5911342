"""The command `irisvue`."""

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from orchestrator.cli import jobs, photos, processes, stack
from orchestrator.cli.terminal import EXIT_STATUS
from orchestrator.proxies import keep_loopback_direct


class LazyGroup(TyperGroup):
    """A group whose module is imported when one of its commands is wanted: database and Triton clients load slowly."""

    def __init__(self, name: str, module: str, about: str) -> None:
        super().__init__(name=name, help=about, no_args_is_help=True, rich_markup_mode="rich")
        self.module = module

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of the group's commands."""
        self._load()
        return super().list_commands(ctx)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name, or None."""
        self._load()
        return super().get_command(ctx, cmd_name)

    def _load(self) -> None:
        if not self.commands:
            self.commands = typer.main.get_group(import_module(self.module).app).commands


class Commands(TyperGroup):
    """All commands, and the groups that are imported late."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.add_command(
            LazyGroup(
                "models",
                "orchestrator.cli.models",
                "Model versions: publish, try, promote, roll back. "
                "Commands find a running `irisvue up` by its data folder.",
            )
        )
        self.add_command(
            LazyGroup(
                "privacy",
                "orchestrator.cli.privacy",
                "Everything that is kept about one person: export it, erase it, or see who opened it.",
            )
        )

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        keep_loopback_direct()
        return super().invoke(ctx)


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="A photo of an eye goes in, a finished iris picture comes out.",
    epilog=f"{EXIT_STATUS} --install-completion completes commands in your shell.",
)
for commands in (stack, photos, jobs, processes):
    app.add_typer(commands.app)
