"""The lock files hold everything that pyproject.toml requires, and no address of a package index."""

import re
import tomllib

import pytest

from orchestrator.config import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=;! ]", line)[0].lower().replace("_", "-") for line in requirements}


@pytest.mark.parametrize(
    ("lock", "required"),
    [
        ("requirements-server.lock", PROJECT["dependencies"]),
        ("requirements.lock", PROJECT["dependencies"] + EXTRAS["embedded"]),
        ("requirements-dev.lock", PROJECT["dependencies"] + EXTRAS["embedded"] + EXTRAS["dev"]),
    ],
)
def test_every_requirement_is_locked(lock: str, required: list[str]) -> None:
    text = (ROOT / lock).read_text()
    locked = set(re.findall(r"^([a-z0-9-]+)==", text, re.M))
    assert names(required) <= locked, "run: make lock"
    assert "://" not in text and "torch" not in locked
