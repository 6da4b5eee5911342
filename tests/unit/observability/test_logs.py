"""Every line that a process writes to stderr is one JSON object, whoever writes it."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import logging, warnings
from orchestrator.observability.logs import configure_logging, log
configure_logging("INFO")
log.info("ours", size=3)
logging.getLogger("arq.worker").warning("a library's, %s", "formatted")
warnings.warn("something is deprecated")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("uvicorn.error").exception("a library's error")
    log.exception("our error")
{end}
"""


@pytest.mark.parametrize("end", ["raise RuntimeError('caught by nobody')", ""])
def test_every_line_is_json_with_its_traceback_inside(end: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(end=end)], capture_output=True, text=True, timeout=60, check=False
    )
    lines = [json.loads(line) for line in run.stderr.splitlines()]
    assert [line["event"].partition(":")[0] for line in lines[:2]] == ["ours", "a library's, formatted"]
    assert "something is deprecated" in lines[2]["event"]
    assert all("ZeroDivisionError" in line["exception"] for line in lines[3:5])
    assert all({"level", "timestamp"} <= line.keys() for line in lines)
    if end:
        assert "caught by nobody" in lines[5]["exception"] and lines[5]["level"] == "critical"
        assert run.returncode == 1
