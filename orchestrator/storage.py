"""The object store: the same calls for a folder and for an S3 bucket, and links that are good for minutes."""

import asyncio
import contextlib
import hashlib
import hmac
import os
import re
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError
from obstore.store import LocalStore, S3Store

from orchestrator.bucket import is_denied, s3_store
from orchestrator.config import Settings
from orchestrator.errors import IrisvueError, ListingDenied, NotFound, StoreUnavailable

PROBED = "health"  # the key that `probe` asks a bucket for
UNFINISHED_NAME = re.compile(r".*#\d+")  # what obstore calls a file that it is still writing


@dataclass(frozen=True)
class Stored:
    """An object in the store."""

    key: str
    size_bytes: int
    modified: datetime


@dataclass(frozen=True)
class StoredFile:
    """An object of a folder, as a file."""

    path: Path
    stat: os.stat_result


@dataclass(frozen=True)
class UploadAddress:
    """Where a client may PUT an object, and the headers that it must send."""

    url: str
    headers: dict[str, str]


@dataclass(frozen=True)
class LinkSigner:
    """Signs the links of a folder, which this service answers itself."""

    secret: bytes
    public_url: str

    def link(self, method: str, key: str, lifetime_s: int) -> str:
        """An address that is good for this method and key."""
        expires = int(time.time()) + lifetime_s
        signature = self._sign(method, key, expires)
        return f"{self.public_url}/objects/{quote(key)}?expires={expires}&signature={signature}"

    def check(self, method: str, key: str, expires: int, signature: str) -> None:
        """Raises NotFound unless `link` made this address for this method and it has not expired."""
        expected = self._sign(method, key, expires)
        if not self.secret or not hmac.compare_digest(expected.encode(), signature.encode()) or expires < time.time():
            raise NotFound

    def _sign(self, method: str, key: str, expires: int) -> str:
        return hmac.new(self.secret, f"{method}\n{key}\n{expires}".encode(), hashlib.sha256).hexdigest()


@contextlib.contextmanager
def _errors(missing: type[IrisvueError] = NotFound) -> Iterator[None]:
    """Turn obstore's errors into ours; `missing` is for an object, a folder or a bucket that does not exist."""
    try:
        yield
    except FileNotFoundError as error:
        raise missing from error
    except (BaseError, OSError) as error:
        raise StoreUnavailable from error


class Storage:
    """Photos and results by key. Every method raises StoreUnavailable when the store can't be reached."""

    def __init__(self, settings: Settings) -> None:
        parts = urlsplit(settings.storage_url)
        self._store: LocalStore | S3Store
        if parts.scheme == "file":
            Path(parts.path).mkdir(parents=True, exist_ok=True)
            self._store = LocalStore(parts.path)
        else:
            bucket = parts.netloc, parts.path.strip("/") or None, settings
            self._store = s3_store(*bucket)
            self._probe = s3_store(*bucket, patient=False)
            self._public = s3_store(*bucket, settings.s3_public_endpoint)  # the address is part of what is signed
        self._links = LinkSigner(settings.link_secret.get_secret_value().encode(), settings.public_url.rstrip("/"))
        self._link_seconds = settings.link_seconds

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        """Write an object at once: readers see the old one or the new one, never a part."""
        attributes = {"Content-Type": content_type} if isinstance(self._store, S3Store) else None
        with _errors(missing=StoreUnavailable):
            await obstore.put_async(self._store, key, data, attributes=attributes)

    async def put_file(self, key: str, path: Path, content_type: str = "application/zip") -> None:
        """Write a file of any size, in parts."""
        attributes = {"Content-Type": content_type} if isinstance(self._store, S3Store) else None
        with _errors(missing=StoreUnavailable):
            await obstore.put_async(self._store, key, path, attributes=attributes)

    async def get(self, key: str) -> bytes:
        """Read an object. Raises NotFound."""
        async with self._reading():
            return bytes(await (await obstore.get_async(self._store, key)).bytes_async())

    def file(self, key: str) -> StoredFile:
        """The file of an object in a folder; reads the disk. Raises NotFound."""
        if self.folder is None:
            raise NotFound
        path = self.folder / key
        with _errors():
            stat = path.stat()
        if not path.is_file():
            raise NotFound
        return StoredFile(path, stat)

    async def size(self, key: str) -> int:
        """Size of an object in bytes. Raises NotFound."""
        async with self._reading():
            return int((await obstore.head_async(self._store, key))["size"])

    async def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; those that do not exist are skipped."""
        for key in keys:
            with contextlib.suppress(NotFound), _errors():
                await obstore.delete_async(self._store, key)

    async def keys(self, prefix: str) -> list[str]:
        """All keys under a prefix."""
        return [item.key async for item in self.objects(prefix)]

    async def objects(self, prefix: str) -> AsyncIterator[Stored]:
        """All objects under a prefix. Raises ListingDenied where the key of a bucket lacks the right to list it."""
        try:
            with _errors(missing=StoreUnavailable):
                async for batch in obstore.list(self._store, prefix):
                    for item in batch:
                        yield Stored(item["path"], item["size"], item["last_modified"])
        except StoreUnavailable as error:
            if is_denied(error.__cause__) and await self._may_read():
                raise ListingDenied from error.__cause__
            raise

    async def remove_unfinished(self, prefix: str, older_than: datetime) -> list[str]:
        """Remove half-written files that a killed process left in a folder, and return their names.

        No listing shows these files. A bucket never has any.
        """
        if self.folder is None:
            return []
        return await asyncio.to_thread(_remove_unfinished, self.folder, prefix, older_than)

    @property
    def folder(self) -> Path | None:
        """The folder that holds the objects; None for a bucket."""
        return Path(str(self._store.prefix)) if isinstance(self._store, LocalStore) else None

    async def probe(self) -> None:
        """Ask a bucket for one small object, without retries. Raises obstore's own errors.

        Without the right to list a bucket, S3 denies access to an object that does not exist. So it is written then.
        """
        try:
            await obstore.head_async(self._probe, PROBED)
        except FileNotFoundError:
            return
        except PermissionDeniedError:
            await obstore.put_async(self._probe, PROBED, b"Irisvue was here.")
            await obstore.head_async(self._probe, PROBED)

    @contextlib.asynccontextmanager
    async def _reading(self) -> AsyncIterator[None]:
        """Errors of reading one object; see `probe` for what a bucket answers where there is none."""
        try:
            with _errors():
                yield
        except StoreUnavailable as error:
            if is_denied(error.__cause__) and await self._may_read():
                raise NotFound from error
            raise

    async def _may_read(self) -> bool:
        """Whether the key of the bucket is good, although something has just been denied."""
        try:
            await self.probe()
        except (BaseError, OSError):
            return False
        return True

    async def link(self, key: str) -> str:
        """An address that lets anyone read this one object for `link_seconds`."""
        if isinstance(self._store, S3Store):
            return await obstore.sign_async(self._public, "GET", key, timedelta(seconds=self._link_seconds))
        return self._links.link("GET", key, self._link_seconds)

    async def upload_address(self, key: str, content_type: str, size_bytes: int, lifetime_s: int) -> UploadAddress:
        """An address that takes this one object by PUT for `lifetime_s` seconds.

        A folder's address takes exactly `size_bytes`. S3's own signature does not cover the size: check it when the
        upload is completed.
        """
        headers = {"Content-Type": content_type}
        if isinstance(self._store, S3Store):
            lifetime = timedelta(seconds=lifetime_s)
            return UploadAddress(await obstore.sign_async(self._public, "PUT", key, lifetime), headers)
        return UploadAddress(self._links.link("PUT", f"{key}/{size_bytes}", lifetime_s), headers)

    def check_link(self, method: str, key: str, expires: int, signature: str) -> None:
        """Raises NotFound unless this service made this address for this method and it has not expired."""
        self._links.check(method, key, expires, signature)


def _remove_unfinished(root: Path, prefix: str, older_than: datetime) -> list[str]:
    unfinished = [path for path in (root / prefix).rglob("*#*") if UNFINISHED_NAME.fullmatch(path.name)]
    old = [path for path in unfinished if path.stat().st_mtime < older_than.timestamp()]
    for path in old:
        path.unlink(missing_ok=True)
    return [str(path.relative_to(root)) for path in old]
