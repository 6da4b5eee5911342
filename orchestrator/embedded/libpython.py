"""Python's shared library, which Triton's stub needs and minimal installations lack."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from ctypes.util import find_library
from pathlib import Path

from orchestrator.errors import SetupError

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
PACKAGE = f"libpython{PYTHON}"
APT = [
    "env",
    "DEBIAN_FRONTEND=noninteractive",
    "apt-get",
    "-qq",
    "-o",
    "Acquire::Retries=0",
    "-o",
    "Acquire::http::Timeout=20",
]
APT_S = 300.0
WITHOUT = (
    "ONNX Runtime in the worker runs the networks instead. It lacks Triton's batching across photos, and model versions"
    " that are published or loaded while it runs."
)
Say = Callable[[str], None]


def missing() -> str | None:
    """The name of the library, if this machine lacks it."""
    name = f"{PACKAGE}.so.1.0"
    beside = Path(sysconfig.get_config_var("LIBDIR") or "/usr/lib") / name
    return None if beside.exists() or find_library(f"python{PYTHON}") else name


def provide(say: Say, lacking: Callable[[], str | None] = missing) -> bool:
    """Install the library where it is missing and this process may, and say so. Returns whether it is there now."""
    name = lacking()
    if name is None:
        return True
    try:
        prefix = _may_install()
        say(f"Triton needs {name}. Installing {PACKAGE} with apt-get ...")
        _install(prefix)
        if lacking() is None:
            say(f"{PACKAGE} is installed.")
            return True
        reason = f"{PACKAGE} does not bring it"
    except SetupError as error:
        reason = error.detail
    say(
        f"Triton needs {name}, which can't be installed: {reason}. {WITHOUT} For Triton: sudo apt-get install {PACKAGE}"
    )
    return False


def _may_install() -> list[str]:
    """What comes before apt-get. Raises SetupError where this process may not install."""
    if shutil.which("apt-get") is None:
        raise SetupError("there is no apt-get")
    if os.geteuid() == 0:
        return []
    sudo = ["sudo", "-n"]
    if shutil.which("sudo") is None or subprocess.run([*sudo, "true"], capture_output=True, check=False).returncode:
        raise SetupError("this is neither root nor somebody whom sudo asks for no password")
    return sudo


def _install(prefix: list[str]) -> None:
    """Install; where that fails, after fetching the lists, which a fresh container lacks. Raises SetupError."""
    install = ["install", "-y", "--no-install-recommends", PACKAGE]
    words = ""
    for command in (install, ["update"], install):
        try:
            done = subprocess.run([*prefix, *APT, *command], capture_output=True, text=True, timeout=APT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise SetupError("apt-get takes too long") from error
        if command is install and done.returncode == 0:
            return
        words = (done.stderr.strip().splitlines() or [words])[-1]
    raise SetupError(f"apt-get says {words!r}")
