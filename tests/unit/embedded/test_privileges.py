"""PostgreSQL as nobody, with the capabilities that root has here, and no more."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.config import ROOT

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root changes users")

START = """
import asyncio, sys
from functools import partial
from pathlib import Path
from orchestrator.embedded import ready, servers
from orchestrator.embedded.data_folder import secret
from orchestrator.embedded.supervisor import start_server
from orchestrator.errors import SetupError

async def main(folder):
    processes = {}
    async def answers(spec):
        return await ready.postgres_ready(f"postgresql://postgres:{secret(folder, 'postgres')}@127.0.0.1:{spec.port}")
    try:
        await start_server(partial(servers.postgres, folder), answers, processes)
        status = Path(f"/proc/{processes['postgres'].pid}/status").read_text()
        print("runs as", status.split("Uid:")[1].split()[0])
    except SetupError as error:
        print(error.detail)
    finally:
        for process in processes.values():
            await process.stop()

asyncio.run(main(Path(sys.argv[1])))
"""


def start_without(folder: Path, *capabilities: str) -> str:
    folder.mkdir(mode=0o700)
    dropped = ",".join(f"-{name}" for name in capabilities)
    argv = ["setpriv", f"--bounding-set={dropped}"] if capabilities else []
    done = subprocess.run(
        [*argv, sys.executable, "-c", START, str(folder)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() + done.stderr


@pytest.mark.parametrize("dropped", [(), ("dac_read_search",), ("dac_override",)])
def test_postgres_starts_with_either_right(dropped: tuple[str, ...], tmp_path: Path) -> None:
    assert start_without(tmp_path / "data", *dropped) == "runs as 65534"


@pytest.mark.parametrize(
    ("dropped", "words"),
    [
        (("dac_read_search", "dac_override"), "who may not enter"),
        (("setuid",), "root may not become another user here: setpriv:"),
    ],
)
def test_what_is_lacking_is_said_with_its_cure(dropped: tuple[str, ...], words: str, tmp_path: Path) -> None:
    said = start_without(tmp_path / "data", *dropped)
    assert said.startswith("PostgreSQL can't be started: ") and words in said
    assert "Start it as an ordinary user" in said and "Traceback" not in said
