"""Triton's model repository, in a folder or in a bucket: version folders go in whole or not at all."""

import asyncio
import os
import shutil
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from orchestrator.config import Settings
from orchestrator.errors import Conflict, NotFound, SetupError, StoreUnavailable
from orchestrator.storage import s3_store

CONFIG = "config.pbtxt"
WITHDRAWN = ".withdrawn-"  # Triton reads folders whose names are numbers, and no others


class Repository(Protocol):
    """Models' folders. Both kinds pass the same contract test."""

    async def models(self) -> list[str]:
        """The names of all models."""
        ...

    async def config(self, model: str) -> bytes:
        """The model's config.pbtxt. Raises NotFound."""
        ...

    async def versions(self, model: str) -> dict[int, list[str]]:
        """The names of the files in each version folder, by version, withdrawn ones left out."""
        ...

    async def read(self, model: str, version: int, filename: str) -> bytes:
        """A file of a version. Raises NotFound."""
        ...

    async def place(self, model: str, version: int, filename: str, data: bytes) -> None:
        """Put a version in. Raises Conflict where there is one of this number."""
        ...

    async def place_model(self, model: str, config: bytes) -> None:
        """Put in a model that is nothing but its configuration (an ensemble), or change it."""
        ...

    async def withdraw(self, model: str, version: int) -> None:
        """Take a version out of Triton's sight. Raises NotFound."""
        ...

    async def restore(self, model: str, version: int) -> None:
        """Bring a withdrawn version back. Raises NotFound."""
        ...

    async def remove(self, model: str, version: int | None = None) -> None:
        """Delete a version, or the whole model; nothing where there is none."""
        ...


def open_repository(address: str, settings: Settings) -> Repository:
    """The repository at a folder or an s3://bucket/prefix. Raises SetupError."""
    parts = urlsplit(address)
    if parts.scheme == "s3":
        return BucketRepository(s3_store(parts.netloc, parts.path.strip("/") or None, settings))
    folder = Path(address)
    if not folder.is_dir():
        raise SetupError(f"There is no model repository at {folder}. Check IRISVUE_MODEL_REPOSITORY.")
    return FolderRepository(folder)


class FolderRepository:
    """On a file system: a version is written beside its place, synced, and renamed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def models(self) -> list[str]:
        """See `Repository.models`."""
        return sorted(path.parent.name for path in self._folder.glob(f"*/{CONFIG}"))

    async def config(self, model: str) -> bytes:
        """See `Repository.config`."""
        return await self._bytes(self._folder / model / CONFIG, f"There is no model {model} in {self._folder}.")

    async def versions(self, model: str) -> dict[int, list[str]]:
        """See `Repository.versions`."""
        folders = [path for path in (self._folder / model).glob("*") if path.name.isdecimal()]
        return {int(path.name): sorted(p.name for p in path.iterdir() if p.is_file()) for path in sorted(folders)}

    async def read(self, model: str, version: int, filename: str) -> bytes:
        """See `Repository.read`."""
        return await self._bytes(self._folder / model / str(version) / filename, f"{model} has no version {version}.")

    async def place(self, model: str, version: int, filename: str, data: bytes) -> None:
        """See `Repository.place`."""
        await asyncio.to_thread(self._place, self._folder / model, version, filename, data)

    def _place(self, folder: Path, version: int, filename: str, data: bytes) -> None:
        beside = folder / f".incoming-{version}-{os.getpid()}"
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        try:
            with (beside / filename).open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if (folder / str(version)).exists():  # a rename would take the place of an empty folder
                raise Conflict(f"{folder.name} has a version {version} already.")
            beside.rename(folder / str(version))
        except OSError as error:
            raise StoreUnavailable(f"{folder / str(version)} could not be written: {error.strerror}") from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    async def place_model(self, model: str, config: bytes) -> None:
        """See `Repository.place_model`."""
        (self._folder / model / "1").mkdir(parents=True, exist_ok=True)
        beside = self._folder / model / f".{CONFIG}"
        beside.write_bytes(config)
        beside.rename(self._folder / model / CONFIG)

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


class BucketRepository:
    """In S3: a version is one object, which appears whole."""

    def __init__(self, store: S3Store) -> None:
        self._store = store

    async def models(self) -> list[str]:
        """See `Repository.models`."""
        keys = [key.split("/") for key in await self._keys("")]
        return sorted(parts[0] for parts in keys if parts[1:] == [CONFIG])

    async def config(self, model: str) -> bytes:
        """See `Repository.config`."""
        return await self._bytes(f"{model}/{CONFIG}", f"There is no model {model} in the bucket.")

    async def versions(self, model: str) -> dict[int, list[str]]:
        """See `Repository.versions`."""
        found: dict[int, list[str]] = {}
        for key in await self._keys(f"{model}/"):
            version, _, name = key.removeprefix(f"{model}/").partition("/")
            if version.isdecimal() and name:
                found.setdefault(int(version), []).append(name)
        return dict(sorted(found.items()))

    async def read(self, model: str, version: int, filename: str) -> bytes:
        """See `Repository.read`."""
        return await self._bytes(f"{model}/{version}/{filename}", f"{model} has no version {version}.")

    async def place(self, model: str, version: int, filename: str, data: bytes) -> None:
        """See `Repository.place`."""
        if await self._keys(f"{model}/{version}/"):
            raise Conflict(f"{model} has a version {version} already.")
        await self._put(f"{model}/{version}/{filename}", data)

    async def place_model(self, model: str, config: bytes) -> None:
        """See `Repository.place_model`."""
        await self._put(f"{model}/1/README", b"An ensemble has no file.\n")
        await self._put(f"{model}/{CONFIG}", config)

    async def withdraw(self, model: str, version: int) -> None:
        """See `Repository.withdraw`."""
        await self._move(f"{model}/{version}/", f"{model}/{WITHDRAWN}{version}/")

    async def restore(self, model: str, version: int) -> None:
        """See `Repository.restore`."""
        await self._move(f"{model}/{WITHDRAWN}{version}/", f"{model}/{version}/")

    async def _move(self, source: str, target: str) -> None:
        keys = await self._keys(source)
        if not keys:
            raise NotFound(f"There is no {source} in the bucket.")
        try:
            for key in keys:
                await obstore.copy_async(self._store, key, target + key.removeprefix(source))
            await obstore.delete_async(self._store, keys)
        except BaseError as error:
            raise StoreUnavailable(f"{source} could not be moved: {error}") from error

    async def remove(self, model: str, version: int | None = None) -> None:
        """See `Repository.remove`."""
        if keys := await self._keys(f"{model}/{version}/" if version else f"{model}/"):
            await obstore.delete_async(self._store, keys)

    async def _keys(self, prefix: str) -> list[str]:
        try:
            return [row["path"] async for batch in obstore.list(self._store, prefix) for row in batch]
        except BaseError as error:
            raise StoreUnavailable(f"The model repository can't be read: {error}") from error

    async def _put(self, key: str, data: bytes) -> None:
        try:
            await obstore.put_async(self._store, key, data)
        except BaseError as error:
            raise StoreUnavailable(f"{key} could not be written: {error}") from error

    async def _bytes(self, key: str, missing: str) -> bytes:
        try:
            return bytes(await (await obstore.get_async(self._store, key)).bytes_async())
        except FileNotFoundError as error:
            raise NotFound(missing) from error
        except BaseError as error:
            raise StoreUnavailable(f"{key} can't be read: {error}") from error
