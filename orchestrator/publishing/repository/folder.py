"""A model repository in a folder."""

import asyncio
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from orchestrator.errors import Conflict, NotFound, StoreUnavailable
from orchestrator.publishing.repository.protocol import CONFIG, WITHDRAWN, highest


class FolderRepository:
    """On a file system: a version is written to a temporary folder, synced, and renamed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def models(self) -> list[str]:
        """See `Repository.models`."""
        return sorted(path.parent.name for path in self._folder.glob(f"*/{CONFIG}"))

    async def config(self, model: str) -> bytes:
        """See `Repository.config`."""
        return await self._bytes(self._folder / model / CONFIG, f"There is no model {model} in {self._folder}.")

    async def configs(self, model: str) -> list[str]:
        """See `Repository.configs`."""
        folder = self._folder / model
        paths = [*folder.glob(CONFIG), *folder.glob("configs/*.pbtxt")]
        return sorted(path.relative_to(folder).as_posix() for path in paths)

    async def versions(self, model: str) -> dict[int, list[str]]:
        """See `Repository.versions`."""
        folders = [path for path in (self._folder / model).glob("*") if path.name.isdecimal()]
        return {int(path.name): sorted(p.name for p in path.iterdir() if p.is_file()) for path in sorted(folders)}

    async def last_number(self, model: str) -> int:
        """See `Repository.last_number`."""
        return highest(path.name for path in (self._folder / model).glob("*"))

    async def read(self, model: str, version: int, filename: str) -> bytes:
        """See `Repository.read`."""
        return await self._bytes(self._folder / model / str(version) / filename, f"{model} has no version {version}.")

    async def place(self, model: str, version: int, files: Mapping[str, bytes]) -> None:
        """See `Repository.place`."""
        await asyncio.to_thread(self._place, self._folder / model, version, files)

    def _place(self, folder: Path, version: int, files: Mapping[str, bytes]) -> None:
        incoming = folder / f".incoming-{version}-{os.getpid()}"
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir()
        try:
            for filename, data in files.items():
                with (incoming / filename).open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            if (folder / str(version)).exists():  # a rename would replace an empty folder
                raise Conflict(f"{folder.name} already has a version {version}.")
            incoming.rename(folder / str(version))
        except OSError as error:
            raise StoreUnavailable(f"{folder / str(version)} could not be written: {error.strerror}") from error
        finally:
            shutil.rmtree(incoming, ignore_errors=True)

    async def place_model(self, model: str, config: bytes) -> None:
        """See `Repository.place_model`."""
        (self._folder / model / "1").mkdir(parents=True, exist_ok=True)
        incoming = self._folder / model / f".{CONFIG}"
        incoming.write_bytes(config)
        incoming.rename(self._folder / model / CONFIG)

    async def file(self, model: str, path: str) -> bytes | None:
        """See `Repository.file`."""
        target = self._folder / model / path
        return await asyncio.to_thread(target.read_bytes) if target.is_file() else None

    async def place_file(self, model: str, path: str, data: bytes) -> None:
        """See `Repository.place_file`."""
        await asyncio.to_thread(self._place_file, self._folder / model / path, data)

    def _place_file(self, target: Path, data: bytes) -> None:
        incoming = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            incoming.write_bytes(data)
            incoming.rename(target)
        except OSError as error:
            incoming.unlink(missing_ok=True)
            raise StoreUnavailable(f"{target} could not be written: {error.strerror}") from error

    async def withdraw(self, model: str, version: int) -> None:
        """See `Repository.withdraw`."""
        self._rename(model, str(version), f"{WITHDRAWN}{version}")

    async def restore(self, model: str, version: int) -> None:
        """See `Repository.restore`."""
        self._rename(model, f"{WITHDRAWN}{version}", str(version))

    def _rename(self, model: str, source: str, target: str) -> None:
        if not (self._folder / model / source).is_dir():
            raise NotFound(f"There is no {model}/{source} in {self._folder}.")
        (self._folder / model / source).rename(self._folder / model / target)

    async def remove(self, model: str, version: int | None = None) -> None:
        """See `Repository.remove`."""
        folder = self._folder / model / (str(version) if version else "")
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _bytes(self, path: Path, missing: str) -> bytes:
        try:
            return await asyncio.to_thread(path.read_bytes)
        except OSError as error:
            raise NotFound(missing) from error
