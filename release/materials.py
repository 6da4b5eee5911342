"""Bills of materials in CycloneDX, one for each lock file, written by cyclonedx-py."""

import subprocess
import sys
from pathlib import Path

from release.errors import ReleaseError

LOCKS = {
    "api": "requirements-api.lock",
    "worker": "requirements-server.lock",
    "triton": "deploy/triton/requirements.lock",
    "one-machine": "requirements.lock",
}


def write(root: Path, version: str, folder: Path) -> list[Path]:
    """Write `irisvue-VERSION-ROLE.cdx.json` for each role. Raises ReleaseError with what the tool says."""
    written = []
    for role, lock in LOCKS.items():
        path = folder / f"irisvue-{version}-{role}.cdx.json"
        argv = [sys.executable, "-m", "cyclonedx_py", "requirements", lock, "--pyproject", "pyproject.toml"]
        argv += [
            "--output-reproducible",
            "--no-validate",
            "--spec-version",
            "1.6",
            "--output-format",
            "JSON",
            "-o",
            str(path),
        ]
        done = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise ReleaseError(f"cyclonedx-py on {lock}: {done.stderr[-500:]}")
        written.append(path)
    return written
