"""What people see while a command works."""

import io

import pytest
from rich.console import Console

from orchestrator.cli import terminal


def shown(monkeypatch: pytest.MonkeyPatch, **how: bool) -> str:
    written = io.StringIO()
    monkeypatch.setattr(terminal, "complaints", Console(file=written, width=120, **how))  # type: ignore[arg-type]
    with terminal.bar("Working") as tell:
        tell("the first half", 0.5)
    return written.getvalue()


def test_a_bar_with_the_steps_words_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    said = shown(monkeypatch, force_terminal=True, force_interactive=True)
    assert "Working" in said and "50%" in said and "the first half" in said
    assert said.rstrip().endswith("\x1b[2K"), "the line is cleared when the work is done"


def test_nothing_at_all_where_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, force_terminal=False) == ""
