"""What the image leaves out is still where deploy/image/slim.py looks for it, and is nothing that a server imports."""

import importlib.util
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

from orchestrator.config import ROOT

SLIM = ROOT / "deploy/image/slim.py"


def slim() -> ModuleType:
    spec = importlib.util.spec_from_file_location("slim", SLIM)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("pattern", slim().UNUSED)
def test_what_is_left_out_is_there_in_the_locked_versions(pattern: str) -> None:
    assert list(Path(sysconfig.get_path("purelib")).glob(pattern)), "mend UNUSED in deploy/image/slim.py"


def test_a_server_imports_nothing_that_is_left_out() -> None:
    """All modules of a server, imported in a process of its own: none of their files is on the list."""
    code = (
        "import sys, orchestrator.api.app, orchestrator.worker.main, orchestrator.cli.models, orchestrator.cli.privacy;"
        "print(*[m.__file__ for m in list(sys.modules.values()) if getattr(m, '__file__', None)], sep='\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = [Path(line) for line in done.stdout.splitlines()]
    packages = Path(sysconfig.get_path("purelib"))
    optional = "pygments/"  # Mako colours its errors with it, where it is there
    left_out = [p for pattern in slim().UNUSED if not pattern.startswith(optional) for p in packages.glob(pattern)]
    assert len(loaded) > 500
    assert not [path for path in loaded if any(path.is_relative_to(gone) for gone in left_out)]


def test_the_image_is_built_with_it() -> None:
    dockerfile = (ROOT / "orchestrator.Dockerfile").read_text()
    assert re.findall(r"slim\.py (\w+)$", dockerfile, re.M) == list(slim().PACKAGES_OF)
