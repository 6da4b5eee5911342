"""The command line as people use it: real processes, real signals, nothing left behind."""

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

import cv2
import httpx
import psutil
import pytest

from orchestrator.embedded.stack import Stack
from orchestrator.pipeline.images import encode_jpeg
from tests.conftest import PHOTOS, drawn_eye

COMMAND = [sys.executable, "-m", "orchestrator.cli"]
WIDE = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}


def run(*arguments: str | Path, timeout: float = 120, **env: str) -> subprocess.CompletedProcess[str]:
    argv = [*COMMAND, *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=timeout, env=WIDE | env, check=False)


def processes_on(folder: Path) -> list[psutil.Process]:
    """Processes whose command line or environment names the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in " ".join([*process.cmdline(), *process.environ().values()]):
                found.append(process)
        except psutil.Error:
            continue
    return [p for p in found if p.pid != os.getpid()]


def shared_memory() -> set[str]:
    return {p.name for p in Path("/dev/shm").glob("*")}


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
    assert shared_memory() <= before


def test_demo_of_a_photo_without_an_eye_says_so(tmp_path: Path) -> None:
    done = run("demo", PHOTOS / "neg_moon.png", "--out", tmp_path / "out", "--inference", "local")
    assert done.returncode == 1
    assert "Iris not detected in image" in done.stdout
    assert not (tmp_path / "out").exists()


def test_demo_of_no_file(tmp_path: Path) -> None:
    done = run("demo", tmp_path / "none.jpg")
    assert done.returncode == 1
    assert "There is no file" in done.stderr


@contextmanager
def running(folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """`irisvue up` until the block ends, and what it printed about itself."""
    argv = [*COMMAND, "up", "--data", str(folder), "--port", "0", "--inference", "local", *more]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=WIDE)
    try:
        said: dict[str, str] = {}
        assert process.stdout
        for line in process.stdout:
            if found := re.match(r"(API|Docs|Token|Data):\s+(\S+)", line):
                said[found[1]] = found[2]
            if "Ctrl-C" in line:
                break
        assert set(said) == {"API", "Docs", "Token", "Data"}, said
        yield process, said
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def photos_of(said: dict[str, str]) -> int:
    headers = {"Authorization": f"Bearer {said['Token']}"}
    answer = httpx.get(f"{said['API']}/api/v1/photos", headers=headers, trust_env=False)
    return int(answer.json()["total"])


def test_up_keeps_its_data_and_stops_clean(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with running(data) as (process, said):
        assert httpx.get(said["Docs"], trust_env=False).status_code == 200
        again = run("up", "--data", data, "--port", "0")
        assert again.returncode == 1
        assert "already running" in again.stderr and said["API"] in again.stderr

        photo = tmp_path / "my eye.jpg"
        photo.write_bytes(encode_jpeg(drawn_eye().image))
        blank = PHOTOS / "neg_moon.png"
        arguments: list[str | Path] = ["--server", said["API"], "--token", said["Token"], "-o", tmp_path / "out"]
        sent = run("process", photo, blank, *arguments)
        assert sent.returncode == 1
        assert "1 of 2 done" in sent.stdout and "Iris not detected" in sent.stderr
        assert (tmp_path / "out" / "my eye" / "result.jpg").exists()
        token = run("token", "--data", data, "--user", "6f9619ff-8b86-d011-b42d-00c04fc964ff").stdout.strip()
        assert photos_of(said | {"Token": token}) == 0
        assert photos_of(said) == 2
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
        assert process.returncode == 130
    assert processes_on(data) == []
    with running(data) as (_, said):
        assert photos_of(said) == 2, "data outlives a run"
    assert processes_on(data) == []


def test_a_part_that_dies_is_restarted_and_one_that_keeps_dying_ends_up_with_its_log(tmp_path: Path) -> None:
    with running(tmp_path / "data") as (process, said):
        (redis,) = [p for p in psutil.Process(process.pid).children() if "redis-server" in " ".join(p.cmdline())]
        redis.kill()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            ready = httpx.get(f"{said['API']}/health/ready", trust_env=False)
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


def test_up_says_what_is_wrong(tmp_path: Path, stack: Stack) -> None:
    port = stack.url.rpartition(":")[2]
    taken = run("up", "--data", tmp_path / "data", "--port", port)
    assert taken.returncode == 1 and f"Port {port} is taken" in taken.stderr
    (tmp_path / "file").write_text("")
    wrong = run("up", "--data", tmp_path / "file" / "data", "--port", "0")
    assert wrong.returncode == 1 and "--data" in wrong.stderr


def test_doctor_names_what_is_missing_and_its_cure(tmp_path: Path, stack: Stack) -> None:
    good = run("doctor", "--data", tmp_path)
    assert "libpython" in good.stdout and "glibc" in good.stdout and "disk" in good.stdout
    port = stack.url.rpartition(":")[2]
    bad = run("doctor", "--data", tmp_path, "--port", port)
    assert bad.returncode == 1
    assert f"--port {int(port) + 1}" in bad.stdout


def test_token_without_a_secret(tmp_path: Path) -> None:
    done = run("token", "--data", tmp_path / "nothing")
    assert done.returncode == 1 and "IRISVUE_JWT_SECRET" in done.stderr


@pytest.mark.parametrize("arguments", [["process"], ["process", "none.jpg"], ["up", "--workers", "0"], ["nonsense"]])
def test_wrong_use_is_answered_in_words(arguments: list[str]) -> None:
    done = run(*arguments)
    assert done.returncode in (1, 2)
    assert done.stderr and "Traceback" not in done.stderr


def test_server_without_token(tmp_path: Path) -> None:
    photo = tmp_path / "eye.jpg"
    photo.write_bytes(b"x")
    done = run("process", photo, "--server", "http://127.0.0.1:9")
    assert done.returncode == 1 and "--token" in done.stderr
    done = run("process", photo, "--server", "http://127.0.0.1:9", "--token", "x")
    assert done.returncode == 1 and "does not answer" in done.stderr
