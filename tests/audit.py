"""Known holes in what the lock files name: `python -m tests.audit` (`make audit`; `make check` runs it too).

Asks OSV's database of advisories about every Python package, and the npm registry about the client's. Exit status 1
with the holes and where they are mended. Where the databases can't be reached that is said, and is a failure only
with `--required`.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.config import ROOT

LOCK = ROOT / "requirements-dev.lock"  # the others name parts of it; tests/unit/test_lock.py compares
OSV = "https://api.osv.dev/v1/query"
# Advisories that do not concern us, each with the reason.
IGNORED: dict[str, str] = {}


class Unreachable(Exception):
    """The database of advisories does not answer."""


@dataclass(frozen=True)
class Hole:
    """One advisory about one package of the lock file."""

    package: str
    version: str
    advisory: str
    mended_in: str


def python_holes(lock: Path, url: str) -> list[Hole]:
    """What OSV knows. Raises Unreachable."""
    argv = [str(Path(sys.executable).parent / "pip-audit"), "--disable-pip", "--require-hashes"]
    argv += ["--vulnerability-service=osv", f"--osv-url={url}", f"--requirement={lock}"]
    argv += ["--format=json", "--progress-spinner=off"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        raise Unreachable((done.stderr.strip().splitlines() or ["no answer"])[-1][:120]) from None
    if skipped := [package["name"] for package in packages if "skip_reason" in package]:
        raise Unreachable(f"nothing is known of {', '.join(skipped)}")
    return [
        Hole(package["name"], package["version"], found["id"], ", ".join(found["fix_versions"]) or "no version yet")
        for package in packages
        for found in package["vulns"]
        if not {found["id"], *found.get("aliases", [])} & set(IGNORED)
    ]


def npm_holes(folder: Path) -> list[Hole]:
    """What the npm registry knows of the TypeScript client's packages. Raises Unreachable."""
    npm = shutil.which("npm")
    if npm is None:
        raise Unreachable("npm is not installed")
    done = subprocess.run([npm, "audit", "--json"], cwd=folder, capture_output=True, text=True, check=False)
    try:
        found: dict[str, dict[str, Any]] = json.loads(done.stdout)["vulnerabilities"]
    except (ValueError, KeyError):
        raise Unreachable("the npm registry says nothing about advisories") from None
    holes = []
    for name, about in found.items():
        titles = [via["title"] for via in about["via"] if isinstance(via, dict)]
        mended = "npm audit fix" if about.get("fixAvailable") else "no version yet"
        holes += [Hole(name, about["range"], title, mended) for title in titles]
    return holes


def main() -> int:
    """Ask about everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--required", action="store_true", help="fail where a database can't be reached")
    parser.add_argument("--lock", type=Path, default=LOCK)
    parser.add_argument("--osv-url", default=OSV)
    asked = parser.parse_args()
    holes, unasked = [], 0
    asks: dict[str, Callable[[], list[Hole]]] = {
        asked.lock.name: partial(python_holes, asked.lock, asked.osv_url),
        "clients/typescript": partial(npm_holes, ROOT / "clients" / "typescript"),
    }
    for what, ask in asks.items():
        try:
            found = ask()
            print(f"{what}: {len(found) or 'no'} known holes")
            holes += found
        except Unreachable as error:
            unasked += 1
            print(f"{what}: NOT CHECKED, the database can't be reached from here ({error})", file=sys.stderr)
    for hole in holes:
        print(f"  {hole.package} {hole.version}: {hole.advisory}, mended in {hole.mended_in}")
    return int(bool(holes) or (asked.required and unasked > 0))


if __name__ == "__main__":
    sys.exit(main())
