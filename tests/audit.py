"""Known vulnerabilities in what the lock files name: `python -m tests.audit` (`make audit`; `make check` runs it too).

Asks OSV's database of advisories about every Python package, and the npm registry about the TypeScript client's and the
examples'. Exit
status 1 with each vulnerability and the version that fixes it. A database that can't be reached is named; that is a
failure only with `--required`.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from orchestrator.config import ROOT

LOCK = ROOT / "requirements-dev.lock"  # contains the other lock files; tests/unit/dependencies compares them
# Not clients/example-expo: what is known about Expo's 500 packages is for Expo to mend, and none is in a release.
NPM_FOLDERS = ["clients/typescript", "clients/typescript/test", "clients/example-web"]
OSV = "https://api.osv.dev/v1/query"
# Advisories that do not concern us, each with the reason.
IGNORED: dict[str, str] = {}


class Unreachable(Exception):
    """The database of advisories does not answer."""


@dataclass(frozen=True)
class Vulnerability:
    """One advisory about one package of the lock file."""

    package: str
    version: str
    advisory: str
    fixed_in: str


def python_packages(lock: Path, url: str, ignored: Mapping[str, str] = IGNORED) -> list[Vulnerability]:
    """What OSV knows about the packages of a lock file. Raises Unreachable."""
    argv = [str(Path(sys.executable).parent / "pip-audit"), "--disable-pip", "--require-hashes"]
    argv += ["--vulnerability-service=osv", f"--osv-url={url}", f"--requirement={lock}"]
    argv += ["--format=json", "--progress-spinner=off"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    try:
        packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        raise Unreachable((done.stderr.strip().splitlines() or ["no answer"])[-1][:120]) from None
    if skipped := [package["name"] for package in packages if "skip_reason" in package]:
        raise Unreachable(f"nothing is known about {', '.join(skipped)}")
    return [
        Vulnerability(
            package["name"], package["version"], advisory["id"], ", ".join(advisory["fix_versions"]) or "no version yet"
        )
        for package in packages
        for advisory in package["vulns"]
        if not {advisory["id"], *advisory.get("aliases", [])} & set(ignored)
    ]


def npm_packages(folder: Path) -> list[Vulnerability]:
    """What the npm registry knows about the packages of one lock file. Raises Unreachable."""
    npm = shutil.which("npm")
    if npm is None:
        raise Unreachable("npm is not installed")
    done = subprocess.run([npm, "audit", "--json"], cwd=folder, capture_output=True, text=True, check=False)
    try:
        packages: dict[str, dict[str, Any]] = json.loads(done.stdout)["vulnerabilities"]
    except (ValueError, KeyError):
        raise Unreachable("the npm registry says nothing about advisories") from None
    known = []
    for name, about in packages.items():
        titles = [via["title"] for via in about["via"] if isinstance(via, dict)]
        fix = "npm audit fix" if about.get("fixAvailable") else "no version yet"
        known += [Vulnerability(name, about["range"], title, fix) for title in titles]
    return known


def report(checks: Mapping[str, Callable[[], list[Vulnerability]]], required: bool) -> int:
    """Run every check and print what it knows; the exit status."""
    vulnerabilities, unreachable = [], 0
    for name, check in checks.items():
        try:
            known = check()
            print(f"{name}: {len(known) or 'no'} known vulnerabilities")
            vulnerabilities += known
        except Unreachable as error:
            unreachable += 1
            print(f"{name}: NOT CHECKED, the database can't be reached from here ({error})", file=sys.stderr)
    for one in vulnerabilities:
        print(f"  {one.package} {one.version}: {one.advisory}, fixed in {one.fixed_in}")
    return int(bool(vulnerabilities) or (required and unreachable > 0))


def main(argv: Sequence[str] | None = None) -> int:
    """Check the Python packages, and those of the TypeScript client and the examples."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--required", action="store_true", help="fail where a database can't be reached")
    parser.add_argument("--lock", type=Path, default=LOCK)
    parser.add_argument("--osv-url", default=OSV)
    options = parser.parse_args(argv)
    checks = {options.lock.name: partial(python_packages, options.lock, options.osv_url)} | {
        folder: partial(npm_packages, ROOT / folder) for folder in NPM_FOLDERS
    }
    return report(checks, options.required)


if __name__ == "__main__":
    sys.exit(main())
