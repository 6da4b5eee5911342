"""Takes out of the image's Python packages what a server never runs, and compiles what it loads.

Runs in the build stage, by the environment's own Python; its argument is the image's role: api, worker, or triton,
whose image has packages of its own that stay as they are. At the end every module of ours that the role runs is
imported, and every library that is left is loaded: where too much was taken away, the build fails, not a server.
"""

import ctypes
import importlib
import pkgutil
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

PACKAGES = Path(sysconfig.get_path("purelib"))
BUILD_SUFFIXES = {".a", ".c", ".cpp", ".h", ".pxd", ".pyi", ".pyx"}  # for compilers and type checkers
UNUSED = [
    "alembic/testing",
    "greenlet/tests",
    "numpy/_core/_simd.*.so",  # for numpy's own tests
    "numpy/f2py",
    "onnxruntime/backend",
    "onnxruntime/capi/libonnxruntime.so.*",  # for other languages; Python's extension holds all of it once more
    "onnxruntime/datasets",
    "onnxruntime/quantization",
    "onnxruntime/tools",
    "onnxruntime/transformers",
    "PIL/_imagingft.*.so",  # fonts
    "pillow.libs/libfreetype-*",
    "pillow.libs/libharfbuzz-*",
    "pillow.libs/libbrotli*",
    "pygments/lexers/[!_]*.py",
    "sqlalchemy/dialects/mssql",
    "sqlalchemy/dialects/mysql",
    "sqlalchemy/dialects/oracle",
    "sqlalchemy/testing",
]
PACKAGES_OF = {"api": ("orchestrator.api", "irisvue"), "worker": ("orchestrator", "irisvue")}  # our own
IMPORTED_LATE = [
    "anyio._backends._asyncio",
    "orchestrator.cli",
    "sqlalchemy.dialects.postgresql.asyncpg",
    "uvicorn.lifespan.on",
    "uvicorn.loops.uvloop",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.auto",
]
IMPORTED_LATE_BY = {"api": [], "worker": ["google.auth.transport.requests", "google.oauth2.service_account"]}
NO_MODULES = (".backends", ".migrations.")  # run by Triton and by Alembic


def remove_unused(role: str) -> None:
    """Remove what UNUSED names, numpy's tests, and sources of compiled parts.

    Ends the build where a path is not there: the package has changed, and the list has to be looked at. Only the
    worker has all of the packages.
    """
    for pattern in UNUSED:
        paths = list(PACKAGES.glob(pattern))
        if not paths and (role == "worker" or (PACKAGES / pattern.partition("/")[0]).exists()):
            sys.exit(f"{pattern}: not there any more. See what has become of it, and mend UNUSED.")
        _remove(paths)
    _remove(list(PACKAGES.glob("numpy/**/tests")))
    _remove([path for path in PACKAGES.rglob("*") if path.suffix in BUILD_SUFFIXES and path.is_file()])


def _remove(paths: list[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def strip_symbols() -> None:
    """Take debug symbols out of the libraries.

    Not out of numpy's: its OpenBLAS can't be loaded afterwards ("load command address/offset not page-aligned").
    """
    libraries = [str(path) for path in _libraries() if path.parent.name != "numpy.libs"]
    subprocess.run(["strip", "--strip-unneeded", *libraries], check=True)  # noqa: S603, S607


def _libraries() -> list[Path]:
    return [path for path in PACKAGES.rglob("*.so*") if path.is_file()]


def load_everything(role: str) -> None:
    """Import every module of ours that the role runs, which compiles it and what it imports; load every library."""
    for package in PACKAGES_OF[role]:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not any(part in module.name for part in NO_MODULES) and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for name in (*IMPORTED_LATE, *IMPORTED_LATE_BY[role]):
        importlib.import_module(name)
    for path in _libraries():
        ctypes.CDLL(str(path))


if __name__ == "__main__":
    remove_unused(sys.argv[1])
    if sys.argv[1] in PACKAGES_OF:
        strip_symbols()
        load_everything(sys.argv[1])
