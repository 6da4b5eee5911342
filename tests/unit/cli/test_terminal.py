"""What people see while a command works, and under which name an operator's commands are recorded."""

import io
import os

import pytest
from rich.console import Console

from orchestrator.cli.server_address import operator_name
from orchestrator.cli.terminal import bar


def console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    written = io.StringIO()
    return Console(file=written, width=120, force_terminal=terminal, force_interactive=terminal), written


def test_a_bar_shows_the_words_of_the_step_on_a_terminal() -> None:
    terminal, written = console(terminal=True)
    with bar("Working", terminal) as report:
        report("the first half", 0.5)
    shown = written.getvalue()
    assert "Working" in shown and "50%" in shown and "the first half" in shown
    assert shown.rstrip().endswith("\x1b[2K"), "the line is cleared when the work is done"


def test_a_bar_writes_nothing_into_a_file() -> None:
    file, written = console(terminal=False)
    with bar("Working", file) as report:
        report("the first half", 0.5)
    assert written.getvalue() == ""


@pytest.mark.parametrize("error", [KeyError("getpwuid(): uid not found: 1000"), OSError("No username set")])
def test_an_operator_without_a_passwd_entry_is_named_by_uid(error: Exception) -> None:
    def no_entry() -> str:
        raise error

    assert operator_name(no_entry) == f"uid {os.getuid()}"


def test_an_operator_is_named_by_login() -> None:
    assert operator_name(lambda: "maria") == "maria"
