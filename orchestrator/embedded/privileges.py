"""PostgreSQL refuses to run as root. Started by root it runs as nobody, with the rights that this takes."""

import os
import shutil
import subprocess
from pathlib import Path

NOBODY = 65534
# Nobody may still enter folders that only root may: either right is enough, and containers give only the first.
PASS_THROUGH = {"dac_override": 1, "dac_read_search": 2}
SETPCAP = 8
CURE = "Start it as an ordinary user, or give the container its usual capabilities (Docker: without --cap-drop)."
STATUS = Path("/proc/self/status")


def unprivileged() -> list[str]:
    """What comes before the command line of a program that must not run as root; nothing for an ordinary user."""
    if os.geteuid() != 0:
        return []
    held = ",".join(f"+{name}" for name in _held())
    keep = [f"--inh-caps={held}", f"--ambient-caps={held}"] if held else []
    if held and _given() >> SETPCAP & 1:
        keep.append("--securebits=+no_setuid_fixup")  # or access(2), which initdb asks about its programs, forgets them
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *keep]


def lacking(folder: Path, program: Path | None) -> str | None:
    """What keeps a program of PostgreSQL from running on this folder as nobody, in words; None for an ordinary user."""
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
    if program and _tried("test", "-x", str(program)):
        return f"PostgreSQL runs as nobody, who may not run {program}, and root lacks dac_override or setpcap"
    return None


def _tried(*argv: str) -> str | None:
    done = subprocess.run([*unprivileged(), *argv], capture_output=True, text=True, check=False)
    return (done.stderr.strip() or f"exit status {done.returncode}") if done.returncode else None


def _held() -> list[str]:
    """Those of PASS_THROUGH that this process may hand on: the kernel refuses others."""
    return [name for name, bit in PASS_THROUGH.items() if _given() >> bit & 1]


def _given() -> int:
    """The capabilities of this process that it may hand on, a bit each."""
    masks = dict(line.split(":\t", 1) for line in STATUS.read_text().splitlines() if line.startswith("Cap"))
    return int(masks["CapPrm"], 16) & int(masks["CapBnd"], 16)
