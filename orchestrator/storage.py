"""One class over obstore: the same calls for a folder and for S3, and links that live for minutes."""

import asyncio
import errno
import hashlib
import hmac
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import LocalStore, S3Store

from orchestrator.config import Settings
from orchestrator.errors import NotFound, StoreUnavailable

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config


TROUBLE_S = 2.0
MIN_FREE_BYTES = 200 * 2**20


@dataclass(frozen=True)
class Stored:
    """An object in the store."""

    key: str
    size_bytes: int
    modified: datetime


@dataclass(frozen=True)
class UploadAddress:
    """Where a client may PUT an object, and the headers that it must send."""

    url: str
    headers: dict[str, str]


def s3_store(
    bucket: str, prefix: str | None, settings: Settings, endpoint: str | None = None, patient: bool = True
) -> S3Store:
    """A bucket, at the settings' endpoint or at another one; an impatient client says at once what is wrong.

    Keys come from the settings or, where there are none, from the environment that AWS's own tools use.
    """
    config: S3Config = {"region": settings.s3_region}
    client: ClientConfig = {}
    if endpoint := endpoint or settings.s3_endpoint:
        config |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
        client["allow_http"] = endpoint.startswith("http://")
    if settings.s3_access_key_id and settings.s3_secret_access_key:
        config["access_key_id"] = settings.s3_access_key_id.get_secret_value()
        config["secret_access_key"] = settings.s3_secret_access_key.get_secret_value()
    if settings.s3_encryption:
        config["server_side_encryption"] = settings.s3_encryption
        if settings.s3_encryption == "aws:kms":  # one call of the key service for many objects
            config["sse_bucket_key_enabled"] = True
    if settings.s3_kms_key_id:
        config["sse_kms_key_id"] = settings.s3_kms_key_id
    return S3Store(
        bucket,
        prefix=prefix,
        config=config,
        client_options=client,
        retry_config=None if patient else {"max_retries": 0},
    )


class Storage:
    """Photos and results by key. Every method raises StoreUnavailable when the store can't be reached."""

    def __init__(self, settings: Settings, min_free_bytes: int = MIN_FREE_BYTES) -> None:
        parts = urlsplit(settings.storage_url)
        self._store: LocalStore | S3Store
        if parts.scheme == "file":
            Path(parts.path).mkdir(parents=True, exist_ok=True)
            self._store = LocalStore(parts.path)
        else:
            there = parts.netloc, parts.path.strip("/") or None, settings
            self._store = s3_store(*there)
            self._probe = s3_store(*there, patient=False)
            self._signs = s3_store(*there, settings.s3_public_endpoint)  # an address is part of what is signed
        self._min_free_bytes = min_free_bytes
        self._secret = settings.link_secret.get_secret_value().encode()
        self._public_url = settings.public_url.rstrip("/")
        self._link_seconds = settings.link_seconds

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        """Write an object whole; readers see the old one or the new one."""
        attributes = {"Content-Type": content_type} if isinstance(self._store, S3Store) else None
        try:
            await obstore.put_async(self._store, key, data, attributes=attributes)
        except (BaseError, OSError) as error:
            raise StoreUnavailable from error

    async def get(self, key: str) -> bytes:
        """Read an object. Raises NotFound."""
        try:
            return bytes(await (await obstore.get_async(self._store, key)).bytes_async())
        except FileNotFoundError as error:
            raise NotFound from error
        except (BaseError, OSError) as error:
            raise StoreUnavailable from error

    async def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; one that is not there is no error."""
        for key in keys:
            try:
                await obstore.delete_async(self._store, key)
            except FileNotFoundError:
                continue
            except (BaseError, OSError) as error:
                raise StoreUnavailable from error

    async def keys(self, prefix: str) -> list[str]:
        """All keys under a prefix."""
        return [item.key async for item in self.objects(prefix)]

    async def objects(self, prefix: str) -> AsyncIterator[Stored]:
        """All objects under a prefix."""
        try:
            async for batch in obstore.list(self._store, prefix):
                for item in batch:
                    yield Stored(item["path"], item["size"], item["last_modified"])
        except (BaseError, OSError) as error:
            raise StoreUnavailable from error

    async def remove_unfinished(self, prefix: str, older_than: datetime) -> list[str]:
        """Remove what a process that was killed while it wrote has left of objects in a folder; buckets have no such.

        No listing shows these files; returns what they were called.
        """
        if not isinstance(self._store, LocalStore):
            return []
        root = Path(str(self._store.prefix))

        def remove() -> list[str]:
            found = [path for path in (root / prefix).rglob("*#*") if re.search(r"#\d+$", path.name)]
            old = [path for path in found if path.stat().st_mtime < older_than.timestamp()]
            for path in old:
                path.unlink(missing_ok=True)
            return [str(path.relative_to(root)) for path in old]

        return await asyncio.to_thread(remove)

    async def size(self, key: str) -> int:
        """Size of an object in bytes. Raises NotFound."""
        try:
            return int((await obstore.head_async(self._store, key))["size"])
        except FileNotFoundError as error:
            raise NotFound from error
        except (BaseError, OSError) as error:
            raise StoreUnavailable from error

    async def trouble(self) -> str:
        """Why nothing could be stored now, in words; "" where it could."""
        if isinstance(self._store, LocalStore):
            root = Path(str(self._store.prefix))
            if not os.access(root, os.W_OK):
                return f"{root} can't be written"
            free = shutil.disk_usage(root).free
            return "" if free > self._min_free_bytes else f"only {free // 2**20} MB are left on the disk of {root}"
        try:
            async with asyncio.timeout(TROUBLE_S):
                await obstore.head_async(self._probe, "health")
        except FileNotFoundError:
            return ""
        except TimeoutError:
            return f"does not answer within {TROUBLE_S:g} s"
        except (BaseError, OSError) as error:
            return self.words(error)
        return ""

    @staticmethod
    def words(error: BaseException) -> str:
        """What the store said, by its cause."""
        said = str(error)
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            return "access denied: look at the key, its rights on the bucket, and this machine's clock"
        if found := re.search(r"InvalidCertificate\(\s*(\w+)", said):
            return f"its certificate is not valid: {found[1].removesuffix('Context')}"
        if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "No space left" in said:
            return "the disk is full"
        return f"{type(error).__name__}: {said.splitlines()[0][:120] if said else ''}"

    async def link(self, key: str) -> str:
        """An address that lets anyone read this one object for `link_seconds`."""
        if isinstance(self._store, S3Store):
            return await obstore.sign_async(self._signs, "GET", key, timedelta(seconds=self._link_seconds))
        return self._own_link("GET", key, self._link_seconds)

    async def upload_address(self, key: str, content_type: str, size_bytes: int, seconds: int) -> UploadAddress:
        """An address that takes this one object by PUT for so many seconds.

        A folder's address takes exactly `size_bytes`; S3's own signature does not cover the size, so whoever completes
        the upload checks it.
        """
        headers = {"Content-Type": content_type}
        if isinstance(self._store, S3Store):
            return UploadAddress(await obstore.sign_async(self._signs, "PUT", key, timedelta(seconds=seconds)), headers)
        return UploadAddress(self._own_link("PUT", f"{key}/{size_bytes}", seconds), headers)

    def check_link(self, method: str, key: str, expires: int, signature: str) -> None:
        """Raises NotFound unless this service made this address for this method and it has not expired."""
        expected = self._sign(method, key, expires)
        if not self._secret or not hmac.compare_digest(expected.encode(), signature.encode()) or expires < time.time():
            raise NotFound

    def _own_link(self, method: str, key: str, seconds: int) -> str:
        expires = int(time.time()) + seconds
        signature = self._sign(method, key, expires)
        return f"{self._public_url}/objects/{quote(key)}?expires={expires}&signature={signature}"

    def _sign(self, method: str, key: str, expires: int) -> str:
        return hmac.new(self._secret, f"{method}\n{key}\n{expires}".encode(), hashlib.sha256).hexdigest()
