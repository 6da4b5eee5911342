"""A model repository in an S3 bucket."""

from collections.abc import Mapping
from pathlib import PurePath

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from orchestrator.errors import Conflict, NotFound, StoreUnavailable
from orchestrator.publishing.repository.protocol import CONFIG, WITHDRAWN, highest


class BucketRepository:
    """In S3: each file is an object, which appears at once; the file that the server reads is the last."""

    def __init__(self, store: S3Store) -> None:
        self._store = store

    async def models(self) -> list[str]:
        """See `Repository.models`."""
        keys = [key.split("/") for key in await self._keys("")]
        return sorted(parts[0] for parts in keys if parts[1:] == [CONFIG])

    async def config(self, model: str) -> bytes:
        """See `Repository.config`."""
        return await self._bytes(f"{model}/{CONFIG}", f"There is no model {model} in the bucket.")

    async def configs(self, model: str) -> list[str]:
        """See `Repository.configs`."""
        paths = [key.removeprefix(f"{model}/") for key in await self._keys(f"{model}/")]
        return sorted(path for path in paths if path == CONFIG or PurePath(path).match("configs/*.pbtxt"))

    async def versions(self, model: str) -> dict[int, list[str]]:
        """See `Repository.versions`."""
        files: dict[int, list[str]] = {}
        for key in await self._keys(f"{model}/"):
            version, _, name = key.removeprefix(f"{model}/").partition("/")
            if version.isdecimal() and name:
                files.setdefault(int(version), []).append(name)
        return dict(sorted(files.items()))

    async def last_number(self, model: str) -> int:
        """See `Repository.last_number`."""
        return highest(key.removeprefix(f"{model}/").partition("/")[0] for key in await self._keys(f"{model}/"))

    async def read(self, model: str, version: int, filename: str) -> bytes:
        """See `Repository.read`."""
        return await self._bytes(f"{model}/{version}/{filename}", f"{model} has no version {version}.")

    async def place(self, model: str, version: int, files: Mapping[str, bytes]) -> None:
        """See `Repository.place`."""
        if await self._keys(f"{model}/{version}/"):
            raise Conflict(f"{model} already has a version {version}.")
        for filename, data in files.items():
            await self._put(f"{model}/{version}/{filename}", data)

    async def place_model(self, model: str, config: bytes) -> None:
        """See `Repository.place_model`."""
        await self._put(f"{model}/1/README", b"An ensemble has no file.\n")
        await self._put(f"{model}/{CONFIG}", config)

    async def file(self, model: str, path: str) -> bytes | None:
        """See `Repository.file`."""
        try:
            return await self._bytes(f"{model}/{path}", "")
        except NotFound:
            return None

    async def place_file(self, model: str, path: str, data: bytes) -> None:
        """See `Repository.place_file`."""
        await self._put(f"{model}/{path}", data)

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
