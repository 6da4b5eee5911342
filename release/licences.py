"""The licences of what a release installs, out of the installed packages' own metadata."""

import re
from collections.abc import Iterable
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from release.errors import ReleaseError

UNSAID = {"UNKNOWN", "Other/Proprietary License", ""}


def locked(lock: Path) -> list[str]:
    """The names in a lock file."""
    return sorted(set(re.findall(r"^([A-Za-z0-9._-]+)==", lock.read_text(), re.M)))


def licence_of(package: Distribution) -> str:
    """What a package says its licence is: an expression, classifiers, or the first line of the field."""
    metadata = package.metadata
    if expressions := metadata.get_all("License-Expression"):
        return str(expressions[0])
    kinds = [kind.rpartition(" :: ")[2] for kind in metadata.get_all("Classifier", []) if kind.startswith("License ::")]
    said = ", ".join(kind for kind in kinds if kind != "OSI Approved")
    field = str((metadata.get_all("License") or [""])[0]).strip().splitlines()
    return said if said not in UNSAID else (field[0].strip() if field else "")


def texts_of(package: Distribution) -> str:
    """The licence files that come with a package."""
    names = re.compile(r"^(licen[cs]e|copying|notice|copyright|authors|third.?party)", re.I)
    files = [file for file in package.files or [] if names.match(file.name) and not file.name.endswith((".py", ".pyc"))]
    return "\n\n".join(file.read_binary().decode(errors="replace").strip() for file in files)


def page(names: Iterable[str]) -> str:
    """A page with name, version, licence and text of every package that is installed here.

    Raises:
        ReleaseError: a package says nothing of its licence and has no text of one.
    """
    sections = []
    for name in names:
        try:
            package = distribution(name)
        except PackageNotFoundError:  # of another system or another Python
            continue
        said, text = licence_of(package), texts_of(package)
        if not said and not text:
            raise ReleaseError(f"{name} {package.version} says nothing of its licence: look, and decide.")
        sections.append(f"## {name} {package.version}\n\n{said or 'See its text.'}\n\n```text\n{text or said}\n```\n")
    return "# Licences of the packages that Irisvue installs\n\n" + "\n".join(sections)
