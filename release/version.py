"""The version number, in every file that names it."""

import re
from dataclasses import dataclass
from pathlib import Path

from release.errors import ReleaseError


@dataclass(frozen=True)
class Place:
    """A file, the pattern before the number, and how often it is there."""

    path: str
    before: str
    times: int = 1


NUMBER = r"\d+\.\d+\.\d+"
PLACES = [
    Place("pyproject.toml", r'^version = "'),
    Place("orchestrator/__init__.py", r'^__version__ = "'),
    Place("clients/typescript/package.json", r'^  "version": "'),
    Place("clients/typescript/package-lock.json", r'\A\{\s+"name": "irisvue-client",\s+"version": "'),
    Place(
        "clients/typescript/package-lock.json", r'"packages": \{\s+"": \{\s+"name": "irisvue-client",\s+"version": "'
    ),
    Place("clients/example-web/package-lock.json", r'"name": "irisvue-client",\s+"version": "'),
    Place("clients/example-expo/package-lock.json", r'"name": "irisvue-client",\s+"version": "'),
    Place("clients/typescript/openapi.json", r'^ {1,4}"version": "'),
    Place("clients/typescript/README.md", r"irisvue-client-"),
    Place("irisvue/README.md", r"irisvue-"),
    Place("docs/apps.md", r"dist/irisvue-client-"),
    Place("docs/apps.md", r"dist/irisvue-"),
    Place("deploy/kubernetes/base/api.yaml", r"image: irisvue-api:"),
    Place("deploy/kubernetes/base/migrate.yaml", r"image: irisvue:"),
    Place("deploy/kubernetes/base/worker.yaml", r"image: irisvue:"),
    Place("deploy/kubernetes/base/triton.yaml", r"image: irisvue:"),
    Place("deploy/kubernetes/base/triton.yaml", r"image: irisvue-triton:"),
    Place("deploy/kubernetes/ops/pod.yaml", r"image: irisvue:"),
]


def current(root: Path) -> str:
    """The version that all files name. Raises ReleaseError where they do not agree."""
    found = {}
    for place in PLACES:
        numbers = re.findall(f"({place.before})({NUMBER})", (root / place.path).read_text(), re.M)
        if len(numbers) != place.times:
            raise ReleaseError(f"{place.path} has {len(numbers)} times what {place.before} looks for: mend PLACES.")
        found[place.path] = numbers[0][1]
    if len(set(found.values())) != 1:
        raise ReleaseError(f"The files name different versions: {found}")
    return str(found["pyproject.toml"])


def write(root: Path, version: str) -> list[str]:
    """Put the version into every file that names one; returns their paths."""
    current(root)
    for place in PLACES:
        path = root / place.path
        path.write_text(re.sub(f"({place.before}){NUMBER}", rf"\g<1>{version}", path.read_text(), flags=re.M))
    return sorted({place.path for place in PLACES})


def parts(version: str) -> tuple[int, ...]:
    """The three numbers. Raises ReleaseError for what is no version."""
    if not re.fullmatch(NUMBER, version):
        raise ReleaseError(f"{version!r} is no version: three numbers with points between them.")
    return tuple(int(part) for part in version.split("."))
