"""The command line as people use it: real processes, real signals, nothing left behind."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import httpx
import psutil

from orchestrator.embedded.stack import Stack
from orchestrator.pipeline.images import encode_jpeg
from tests.commands import COMMAND, WIDE, run
from tests.conftest import PHOTOS, drawn_eye


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
