"""Shipped networks keep their numbers: one that differs from the last release's has a higher one."""

import subprocess
from pathlib import Path

from release.errors import ReleaseError

FOLDER = "model_repository"


def check(root: Path, last_tag: str) -> None:
    """Raises ReleaseError for a network whose file changed inside a version that a release has had."""
    argv = ["git", "diff", "--name-only", "--diff-filter=MD", last_tag, "--", f"{FOLDER}/*.onnx"]
    done = subprocess.run(argv, cwd=root, capture_output=True, text=True, check=True)  # noqa: S603
    if changed := done.stdout.split():
        raise ReleaseError(
            f"{', '.join(changed)} differ from {last_tag}: leave them as they were released, "
            "and put the new network into a folder with the next number."
        )
