"""Python's shared library: installed where this is allowed, and otherwise done without, in words."""

import os
from pathlib import Path

import pytest

from orchestrator.embedded.libpython import PACKAGE, provide


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing but what a test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "env").symlink_to("/usr/bin/env")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def put(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


class Machine:
    """A machine that lacks the library until a file is there."""

    def __init__(self, folder: Path) -> None:
        self.library = folder / "library"
        self.words: list[str] = []

    def lacking(self) -> str | None:
        return None if self.library.exists() else "libpython.so.1.0"

    def provide(self) -> bool:
        return provide(self.words.append, self.lacking)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def may_install(programs: Path, tmp_path: Path) -> None:
    """Root may by itself; others by a sudo that asks nothing."""
    if os.geteuid() != 0:
        put(programs, "sudo", 'shift; [ "$1" = true ] || exec "$@"')


def test_nothing_is_said_where_it_is_there(machine: Machine, programs: Path) -> None:
    machine.library.touch()
    assert machine.provide() and machine.words == []


def test_it_is_installed_where_this_is_allowed(machine: Machine, programs: Path, tmp_path: Path) -> None:
    may_install(programs, tmp_path)
    put(programs, "apt-get", f'echo "$@" >> {tmp_path}/calls\ncase "$*" in *install*) : > {machine.library};; esac')
    assert machine.provide()
    assert machine.words == [
        f"Triton needs libpython.so.1.0. Installing {PACKAGE} with apt-get ...",
        f"{PACKAGE} is installed.",
    ]
    assert (tmp_path / "calls").read_text().rstrip().endswith(f"install -y --no-install-recommends {PACKAGE}")


def test_lists_are_fetched_where_there_are_none(machine: Machine, programs: Path, tmp_path: Path) -> None:
    may_install(programs, tmp_path)
    lists = tmp_path / "lists"
    put(programs, "apt-get", f'case "$*" in *update) : > {lists};; *) [ -e {lists} ] && : > {machine.library};; esac')
    assert machine.provide()


def test_what_apt_says_is_passed_on(machine: Machine, programs: Path, tmp_path: Path) -> None:
    may_install(programs, tmp_path)
    put(programs, "apt-get", "echo 'E: Unable to locate package' >&2; exit 100")
    assert not machine.provide()
    assert "'E: Unable to locate package'" in machine.words[-1] and "ONNX Runtime in the worker" in machine.words[-1]


def test_a_package_without_it_is_noticed(machine: Machine, programs: Path, tmp_path: Path) -> None:
    may_install(programs, tmp_path)
    put(programs, "apt-get", "exit 0")
    assert not machine.provide() and "does not bring it" in machine.words[-1]


def test_without_apt_the_service_goes_on_and_says_what_it_lacks(machine: Machine, programs: Path) -> None:
    assert not machine.provide()
    [line] = machine.words
    assert "there is no apt-get" in line and "It lacks Triton's batching" in line and "\n" not in line
