"""The data folder of `irisvue up`: who holds it, and the secrets, settings and model repository in it."""

import fcntl
import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from orchestrator.config import Settings
from orchestrator.errors import SetupError

LOCK = "irisvue.lock"


def is_running(folder: Path) -> bool:
    """Whether a process holds the data folder."""
    try:
        with (folder / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False


@asynccontextmanager
async def hold_folder(folder: Path) -> AsyncIterator[Path]:
    """Hold the data folder for this process alone. Raises SetupError naming the process that has it."""
    folder = folder.resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # photos of irises are private
        lock = (folder / LOCK).open("a+")
    except OSError as error:
        raise SetupError(
            f"The data folder {folder} can't be used: {error.strerror}. Choose another with --data."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise SetupError(f"Irisvue is already running on {folder} ({lock.read().strip() or 'starting'}).") from None
        lock.truncate(0)
        try:
            yield folder
        finally:
            lock.truncate(0)


def write_address(folder: Path, url: str) -> None:
    """Note in the lock file where the stack that holds the folder is reached."""
    with (folder / LOCK).open("w") as lock:
        json.dump({"pid": os.getpid(), "address": url}, lock)


def read_address(folder: Path) -> str | None:
    """Where the stack that holds the folder is reached; None while it starts."""
    try:
        return str(json.loads((folder / LOCK).read_text())["address"])
    except (OSError, ValueError, KeyError):
        return None


def secret(folder: Path, name: str) -> str:
    """A secret of this data folder, made the first time, readable by its owner only."""
    path = folder / "secrets" / name
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    return path.read_text()


def read_secret(folder: Path, name: str) -> str | None:
    """A secret of this data folder; None where it has not been made."""
    try:
        return (folder / "secrets" / name).read_text()
    except OSError:
        return None


def write_settings(folder: Path, env: dict[str, str]) -> None:
    """Keep the settings of the stack for the commands that work on it, readable by their owner only."""
    path = folder / "secrets" / "settings.json"
    with os.fdopen(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as file:
        json.dump(env, file)


def settings_of(folder: Path) -> Settings:
    """The settings of the stack that runs on this data folder. Raises SetupError."""
    try:
        env: dict[str, str] = json.loads((folder / "secrets" / "settings.json").read_text())
    except (OSError, ValueError):
        raise SetupError(f"No `irisvue up` has run on {folder.resolve()}. Name its folder with --data.") from None
    return Settings.model_validate({key.removeprefix("IRISVUE_").lower(): value for key, value in env.items()})


def own_repository(folder: Path) -> Path:
    """The folder's own model repository; `irisvue migrate --models` fills it, and versions are published to it."""
    own = folder / "model_repository"
    own.mkdir(exist_ok=True)
    return own
