"""PostgreSQL refuses to run as root. Started by root it runs as nobody, with the rights that this takes."""

import os
import shutil
import subprocess
from pathlib import Path

NOBODY = 65534
# Nobody may still enter folders that only root may: either right is enough, and containers give only the first.
PASS_THROUGH = {"dac_override": 1, "dac_read_search": 2}
CURE = "Start it as an ordinary user, or give the container its usual capabilities (Docker: without --cap-drop)."
STATUS = Path("/proc/self/status")


def unprivileged() -> list[str]:
    """What comes before the command line of a program that must not run as root; nothing for an ordinary user."""
    if os.geteuid() != 0:
        return []
    held = ",".join(f"+{name}" for name in _held())
    keep = [f"--inh-caps={held}", f"--ambient-caps={held}"] if held else []
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *keep]


def lacking(folder: Path) -> str | None:
    """What keeps PostgreSQL from running on this folder as nobody, in words; None for an ordinary user, too."""
    if os.geteuid() != 0:
        return None
    if shutil.which("setpriv") is None:
        return "setpriv is missing (package util-linux)"
    if error := _tried("true"):
        return f"root may not become another user here: {error}"
    while not folder.exists():
        folder = folder.parent
    if not _held() and _tried("test", "-x", str(folder)) is not None:
        return f"PostgreSQL runs as nobody, who may not enter {folder}, and root lacks the capability dac_override"
    return None


def _tried(*argv: str) -> str | None:
    done = subprocess.run([*unprivileged(), *argv], capture_output=True, text=True, check=False)
    return (done.stderr.strip() or f"exit status {done.returncode}") if done.returncode else None


def _held() -> list[str]:
    """Those of PASS_THROUGH that this process may hand on: the kernel refuses others."""
    masks = dict(line.split(":\t", 1) for line in STATUS.read_text().splitlines() if line.startswith("Cap"))
    given = int(masks["CapPrm"], 16) & int(masks["CapBnd"], 16)
    return [name for name, bit in PASS_THROUGH.items() if given >> bit & 1]
