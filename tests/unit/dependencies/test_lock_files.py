"""The lock files hold what pyproject.toml asks for, and no address of an index."""

import re
import tomllib

import pytest

from orchestrator.config import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]


def named(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=;! ]", line)[0].lower().replace("_", "-") for line in requirements}


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements-server.lock", PROJECT["dependencies"]),
        ("requirements.lock", PROJECT["dependencies"] + EXTRAS["embedded"]),
        ("requirements-dev.lock", PROJECT["dependencies"] + EXTRAS["embedded"] + EXTRAS["dev"]),
    ],
)
def test_everything_asked_for_is_locked(lock: str, wanted: list[str]) -> None:
    text = (ROOT / lock).read_text()
    locked = set(re.findall(r"^([a-z0-9-]+)==", text, re.M))
    assert named(wanted) <= locked, "run: make lock"
    assert "://" not in text and "torch" not in locked
