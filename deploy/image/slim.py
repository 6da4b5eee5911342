"""Takes out of the image's Python packages what a server never runs, and compiles what it loads.

Runs in the build stage, by the environment's own Python. Arguments: the image's role, api, worker or triton, and the
folder of the packages, without it the environment's own. At the end every module of ours that the role runs is imported
(those of triton by its last stage), and every library that is left is loaded: where too much was taken away, the build
fails, not a server.
"""

import ctypes
import importlib
import pkgutil
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

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


def remove_unused(role: str, packages: Path) -> None:
    """Remove what UNUSED names, numpy's tests, and sources of compiled parts.

    Ends the build where a path is not there: the package has changed, and the list has to be looked at. Only the
    worker has all of the packages.
    """
    for pattern in UNUSED:
        paths = list(packages.glob(pattern))
        if not paths and (role == "worker" or (packages / pattern.partition("/")[0]).exists()):
            sys.exit(f"{pattern}: not there any more. See what has become of it, and mend UNUSED.")
        _remove(paths)
    _remove(list(packages.glob("numpy/**/tests")))
    _remove([path for path in packages.rglob("*") if path.suffix in BUILD_SUFFIXES and path.is_file()])


def _remove(paths: list[Path]) -> None:
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def strip_symbols(packages: Path) -> None:
    """Take debug symbols out of the libraries.

    Not out of numpy's: its OpenBLAS can't be loaded afterwards ("load command address/offset not page-aligned").
    """
    libraries = [str(path) for path in _libraries(packages) if path.parent.name != "numpy.libs"]
    subprocess.run(["strip", "--strip-unneeded", *libraries], check=True)  # noqa: S603, S607


def _libraries(packages: Path) -> list[Path]:
    return [path for path in packages.rglob("*.so*") if path.is_file()]


def import_everything(role: str) -> None:
    """Import every module of ours that the role runs, which compiles it and what it imports."""
    for package in PACKAGES_OF[role]:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not any(part in module.name for part in NO_MODULES) and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    for name in (*IMPORTED_LATE, *IMPORTED_LATE_BY[role]):
        importlib.import_module(name)


def load_libraries(packages: Path) -> None:
    """Load every library, with everything that it links."""
    for path in _libraries(packages):
        ctypes.CDLL(str(path))


def main(role: str, packages: Path) -> None:
    """Everything, one after the other."""
    remove_unused(role, packages)
    strip_symbols(packages)
    if role in PACKAGES_OF:
        import_everything(role)
    load_libraries(packages)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2] if len(sys.argv) > 2 else sysconfig.get_path("purelib")))
