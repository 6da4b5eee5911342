"""`irisvue doctor` of a running service: each check by name, and what is wrong by its cause."""

import json

import pytest

from orchestrator.embedded.stack import Stack
from tests.commands import run


def test_a_healthy_service(stack: Stack) -> None:
    done = run("doctor", "--json", **stack.env)  # type: ignore[arg-type]
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 0, checks
    assert set(checks) == {"database", "migrations", "clock", "workers", "queue", "store", "models", "certificate"}


@pytest.mark.parametrize(
    ("changed", "name", "words"),
    [
        ({"IRISVUE_DATABASE_URL": "postgresql+asyncpg://u:p@127.0.0.1:9/x"}, "database", "not reachable"),
        ({"IRISVUE_REDIS_URL": "redis://127.0.0.1:9/0"}, "queue", "Redis does not answer at 127.0.0.1:9"),
        ({"IRISVUE_TRITON_URL": "127.0.0.1:9"}, "models", "did not answer"),
        ({"IRISVUE_STORAGE_URL": "nowhere"}, "settings", "IRISVUE_STORAGE_URL is 'nowhere'"),
    ],
)
def test_what_is_wrong_is_named_with_its_cure(stack: Stack, changed: dict[str, str], name: str, words: str) -> None:
    done = run("doctor", "--json", **stack.env | changed)  # type: ignore[arg-type]
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    assert done.returncode == 1 and not checks[name]["good"] and words in checks[name]["found"], done.stdout
    assert checks[name]["mend"]
