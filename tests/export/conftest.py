"""A package index of our own for pip, and no other."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The files of a package index."""
    folder = tmp_path / "files"
    folder.mkdir()
    return folder


@pytest.fixture
def use_index(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make pip use this index and no other."""

    def use(address: str) -> None:
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        for name, value in {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": address, "no_proxy": "*"}.items():
            monkeypatch.setenv(name, value)

    return use
