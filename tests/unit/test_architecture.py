"""What may import what, where one import leads to another: import-linter checks the layers, this the libraries."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from orchestrator.config import ROOT

PIXELS_AND_MODELS = {"onnxruntime", "cv2", "tritonclient", "scipy", "matplotlib"}
DATABASE = {"sqlalchemy", "alembic", "asyncpg"}
SQL = re.compile(  # in capitals, as ours is
    r"\s*(SELECT\s.+\sFROM\s|SELECT\s+\w+\(|INSERT\s+INTO\s|UPDATE\s+\w+\s+SET\s|DELETE\s+FROM\s"
    r"|(CREATE|ALTER|DROP|LOCK|TRUNCATE)\s+(TABLE|INDEX|DATABASE)\s)",
    re.DOTALL,
)
MAY_SPEAK_TO_THE_DATABASE: set[str] = set()  # modules outside orchestrator/db, each with a comment that says why
CREATE_APP = """
import json, sys
import orchestrator.api.server
from orchestrator.api.app import create_app
from orchestrator.config import Settings
create_app(Settings(jwt_secret="s" * 40, link_secret="s" * 40))
print(json.dumps(list({name.partition(".")[0] for name in sys.modules})))
"""


def test_an_api_process_loads_no_library_for_pixels_or_models() -> None:
    argv = [sys.executable, "-c", CREATE_APP]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    assert "fastapi" in loaded and loaded & PIXELS_AND_MODELS == set()


def libraries(source: ast.AST) -> Iterator[str]:
    """The packages that a module imports, also inside functions."""
    for node in ast.walk(source):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def statements(source: ast.AST) -> Iterator[str]:
    """The strings in a module that are SQL statements; of an f-string, the first part."""
    for node in ast.walk(source):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.match(node.value):
            yield node.value


def speaks_to_the_database(source: str) -> list[str]:
    """The database's libraries and the SQL statements in a module."""
    tree = ast.parse(source)
    return [*sorted(set(libraries(tree)) & DATABASE), *statements(tree)]


def test_only_orchestrator_db_speaks_to_the_database() -> None:
    modules = {str(path.relative_to(ROOT)): path for path in (ROOT / "orchestrator").rglob("*.py")}
    outside = {name: path for name, path in modules.items() if not name.startswith("orchestrator/db/")}
    assert len(outside) > 80 and set(outside) >= MAY_SPEAK_TO_THE_DATABASE
    speaking = {name: words for name, path in outside.items() if (words := speaks_to_the_database(path.read_text()))}
    assert {name: words for name, words in speaking.items() if name not in MAY_SPEAK_TO_THE_DATABASE} == {}


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    import asyncpg",
        "from sqlalchemy.ext.asyncio import AsyncSession",
        "import alembic.command as c",
        'q = "SELECT 1 FROM jobs"',
        'q = f"DELETE FROM {table}"',
        'q = """\n    UPDATE jobs SET status = 1"""',
        'q = ["LOCK TABLE jobs"]',
    ],
)
def test_a_violation_would_be_found(source: str) -> None:
    assert speaks_to_the_database(source)


@pytest.mark.parametrize("source", ["from orchestrator.db import jobs", 'say("Select a photo from your phone.")'])
def test_what_is_allowed_is_not_reported(source: str) -> None:
    assert not speaks_to_the_database(source)
