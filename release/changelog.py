"""The changelog's newest section, which becomes the release's."""

import re
from datetime import date

from release.errors import ReleaseError

HEADING = re.compile(r"^## \[(?P<version>[^\]]+)\] - (?P<when>\S+)$", re.M)
UPGRADING = "### Upgrading"


def closed(text: str, version: str, day: date) -> str:
    """The changelog with its unreleased section given this version and day. Raises ReleaseError where there is none."""
    newest = HEADING.search(text)
    if newest is None or newest["when"] != "unreleased":
        raise ReleaseError("The newest section of CHANGELOG.md must be `## [VERSION] - unreleased`.")
    if UPGRADING not in _body(text):
        raise ReleaseError(f"The newest section needs {UPGRADING}: what changes for operators, if anything.")
    return text[: newest.start()] + f"## [{version}] - {day.isoformat()}" + text[newest.end() :]


def notes(text: str, version: str) -> str:
    """What the newest section says. Raises ReleaseError where it is not this version's."""
    newest = HEADING.search(text)
    if newest is None or newest["version"] != version:
        raise ReleaseError(f"The newest section of CHANGELOG.md is not that of {version}.")
    return _body(text)


def _body(text: str) -> str:
    first, *rest = HEADING.finditer(text)
    return text[first.end() : rest[0].start() if rest else len(text)].strip()
