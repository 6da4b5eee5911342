"""`python -m release prepare VERSION`, then build the packages, then `python -m release finish VERSION`.

`make release VERSION=X.Y.Z` does all three; `describe` is the part of `finish` that only writes files, and `notes`
prints the changelog's section. It ends with a commit and an annotated tag on this machine, and pushes nothing:
`git push --follow-tags` does, and .github/workflows/release.yml builds and scans the images then.
"""

import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from release import changelog, licences, materials, networks, version
from release.errors import ReleaseError

CHANGELOG = "CHANGELOG.md"


def git(root: Path, *words: str) -> str:
    """What git prints. Raises ReleaseError with its words."""
    done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=False)  # noqa: S603, S607
    if done.returncode:
        raise ReleaseError(f"git {words[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def last_tag(root: Path) -> str:
    """The newest tag of a release before this commit; "" before there is one."""
    tags = git(root, "tag", "--list", "v*", "--merged", "HEAD", "--sort=-version:refname").splitlines()
    return tags[0] if tags else ""


def prepare(root: Path, number: str) -> list[str]:
    """Write the version and the changelog's heading; returns the files.

    Raises:
        ReleaseError: nothing has been written.
    """
    if changed := git(root, "status", "--porcelain"):
        raise ReleaseError(f"Commit or remove what is not committed:\n{changed}")
    if tag := last_tag(root):
        if version.parts(number) <= version.parts(tag.removeprefix("v")):
            raise ReleaseError(f"{number} is not newer than {tag}.")
        networks.check(root, tag)
    version.parts(number)
    version.current(root)
    text = changelog.closed((root / CHANGELOG).read_text(), number, datetime.now(UTC).date())
    (root / CHANGELOG).write_text(text)
    return [CHANGELOG, *version.write(root, number)]


def describe(root: Path, number: str) -> list[Path]:
    """Write bills of materials and licences into dist/; returns what is there of this release."""
    if version.current(root) != number:
        raise ReleaseError(f"The files do not name {number}: run prepare first.")
    dist = root / "dist"
    dist.mkdir(exist_ok=True)
    materials.write(root, number, dist)
    names = sorted({name for lock in materials.LOCKS.values() for name in licences.locked(root / lock)})
    (dist / f"irisvue-{number}-licences.md").write_text(licences.page(names))
    return sorted(path for path in dist.iterdir() if number in path.name)


def finish(root: Path, number: str) -> list[Path]:
    """As `describe`; then commit, and tag."""
    (section,) = notes(root, number)
    made = describe(root, number)
    git(root, "commit", "--all", "--message", f"Release {number}")
    # Without --cleanup=whitespace, git would take the headings for comments.
    git(root, "tag", "--annotate", f"v{number}", "--cleanup=whitespace", "--message", f"Irisvue {number}\n\n{section}")
    return made


def notes(root: Path, number: str) -> list[str]:
    """The changelog's section of this release."""
    return [changelog.notes((root / CHANGELOG).read_text(), number)]


STEPS: dict[str, Callable[[Path, str], Sequence[object]]] = {
    "prepare": prepare,
    "describe": describe,
    "notes": notes,
    "finish": finish,
}


def main(argv: list[str]) -> int:
    """Returns the exit status."""
    if len(argv) != 2 or argv[0] not in STEPS:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        print(*STEPS[argv[0]](Path.cwd(), argv[1]), sep="\n")
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
