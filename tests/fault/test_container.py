"""Machines like other people's: root in a container, an ordinary user there, and no shared library of Python.

The container's files are this machine's, under a layer that is thrown away: no image is needed. Its capabilities are
those that podman and Docker give.
"""

import shutil
import subprocess
import sys
import sysconfig
from functools import cache
from pathlib import Path

import pytest

from orchestrator.config import ROOT
from orchestrator.embedded.libpython import PYTHON

RUNTIME = [f"--runtime={path}"] if (path := shutil.which("runc")) else []
ULIMITS = ["--ulimit=nofile=1024:1024", "--ulimit=nproc=4096:4096"]  # podman's own are more than a container may set
PACKAGES = sysconfig.get_path("purelib")
OWN_PYTHON = shutil.which(f"python{PYTHON}", path="/usr/bin")  # Debian's: the library is no part of the program
REMOVE_LIBRARY = f"rm -f /lib/*/libpython{PYTHON}* /usr/lib/*/libpython{PYTHON}* /usr/lib/libpython{PYTHON}*; ldconfig"
SHIM = "/tmp/for-old-python"  # redis-py wants a package below 3.11.3 that the environment of a newer Python lacks
FOR_OLD_PYTHON = f"mkdir {SHIM}; echo 'from asyncio import timeout' > {SHIM}/async_timeout.py"
OUT = "/tmp/demo-of-a-test"


def demo(python: str) -> str:
    return f"{python} -m orchestrator.cli demo -o {OUT}"


def contained(script: str, *options: str) -> subprocess.CompletedProcess[str]:
    settings = [f"--workdir={ROOT}", f"--env=PYTHONPATH={ROOT}:{PACKAGES}:{SHIM}", "--env=HOME=/tmp"]
    settings += ["--env=PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"]
    argv = ["podman", *RUNTIME, "run", "--rm", "--network=none", *ULIMITS, *settings, *options]
    argv += ["--rootfs", "/:O", "sh", "-euc", script]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


@cache
def why_not() -> str:
    """Why no container can be run here; nothing where it can."""
    if shutil.which("podman") is None:
        return "podman is not installed"
    tried = contained("true")
    return f"podman can't run one: {tried.stderr.strip()[-200:]}" if tried.returncode else ""


@pytest.fixture(autouse=True)
def _needs_podman() -> None:
    if reason := why_not():
        pytest.skip(reason)


@pytest.mark.timeout(500)
def test_the_demo_as_root_in_a_container() -> None:
    done = contained(f"grep -q 'CapPrm.*5fb' /proc/self/status; {demo(sys.executable)}; ls {OUT}")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "result.jpg" in done.stdout and "ONNX Runtime in the worker" not in done.stderr


def test_the_servers_start_from_a_clone_that_only_root_may_enter() -> None:
    """As in /root, where root clones."""
    close = f"chmod 700 /{Path(PACKAGES).parts[1]}"
    up = f"timeout -s INT 20 {sys.executable} -m orchestrator.cli up --inference local --data /tmp/data --port 0"
    done = contained(f"{close}; {up} || true")
    assert "Ctrl-C" in done.stdout, done.stdout + done.stderr
    refused = contained(f"{close}; {up} || true", "--cap-drop=setpcap")
    assert "who may not run" in refused.stderr and "setpcap" in refused.stderr, refused.stderr


@pytest.mark.timeout(500)
@pytest.mark.skipif(OWN_PYTHON is None, reason=f"the system has no Python {PYTHON} of its own")
def test_the_demo_as_a_user_in_a_container_without_pythons_library() -> None:
    as_user = "setpriv --reuid=1000 --regid=1000 --clear-groups --inh-caps=-all"
    done = contained(f"{REMOVE_LIBRARY}; {FOR_OLD_PYTHON}; {as_user} {demo(str(OWN_PYTHON))}; ls {OUT}")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "result.jpg" in done.stdout
    said = " ".join(done.stderr.split())
    assert "can't be installed: this is neither root nor somebody whom sudo asks for no password" in said
    assert "ONNX Runtime in the worker runs the networks instead" in said


def test_the_doctor_names_the_rights_that_root_lacks() -> None:
    doctor = f"{sys.executable} -m orchestrator.cli doctor --port 0"

    def says(script: str, *options: str) -> str:
        return " ".join(contained(f"{script} || true", *options).stdout.split())

    assert "ok rights of root: enough" in says(doctor)
    assert "BAD rights of root: root may not become another user here" in says(doctor, "--cap-drop=setuid")
    closed = f"mkdir -m 700 /tmp/closed-to-others; {doctor} --data /tmp/closed-to-others"
    assert "who may not enter /tmp/closed-to-others" in says(closed, "--cap-drop=dac_override")
