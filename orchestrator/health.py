"""What keeps the service from working, by its cause: for `/health/ready` and `irisvue doctor`."""

import asyncio
import errno
import os
import re
import shutil
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

from arq.connections import ArqRedis
from obstore.exceptions import BaseError
from redis.exceptions import RedisError, ResponseError

from orchestrator import db, queue, redis_client
from orchestrator.bucket import RIGHTS, is_denied
from orchestrator.db.migrations import behind
from orchestrator.errors import IrisvueError
from orchestrator.services import Services
from orchestrator.storage import Storage

SKEW_S = 5.0
RUNS_OUT_DAYS = 14
CONNECT_S = 5.0
STORE_S = 2.0
MIN_FREE_BYTES = 200 * 2**20


def cause_of(error: BaseException) -> str:
    """The kind of error at the bottom of a chain of causes; of an invalid certificate also what is wrong with it."""
    cause = error
    while cause.__cause__ is not None:
        cause = cause.__cause__
    current: BaseException | None = error
    while current is not None:
        if isinstance(current, ssl.SSLCertVerificationError):
            return f"its certificate is not valid: {current.verify_message}"
        current = current.__cause__ or current.__context__
    return type(cause).__name__


async def database(services: Services, now: Callable[[], float] = time.time) -> dict[str, str]:
    """Whether the database answers, has the newest tables, and agrees on the time: "ok" or what is wrong, by name."""
    try:
        async with services.db() as session:
            before = now()
            database_time = await db.server.clock(session)
            our_time = (before + now()) / 2
            migrations = behind(await db.server.revision(session)) or "ok"
            writable = await db.server.takes_writes(session)
    except (*db.UNAVAILABLE, db.DBAPIError) as error:  # also a wrong password or an unknown database
        return {"database": _unreachable(error)}
    database = "ok" if writable else "takes no writes: it is a standby, or set to read only"
    return {"database": database, "migrations": migrations, "clock": skew(our_time, database_time)}


def skew(our_time: float, database_time: float) -> str:
    """How far this machine's clock is from the database's, in words; both times in Unix seconds."""
    apart = our_time - database_time
    if abs(apart) <= SKEW_S:
        return "ok"
    return f"{abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} the database's: let both follow NTP"


def _unreachable(error: BaseException) -> str:
    """That the database can't be reached: the kind of the error and, where it is known, what is wrong."""
    words = db.reason(error)
    return f"not reachable ({cause_of(error)}){f': {words}' if words else ''}"


async def redis(client: ArqRedis) -> dict[str, str]:
    """Whether Redis takes writes, and whether a worker has been seen."""
    try:
        await queue.write_something(client)
        workers = "ok" if await queue.worker_seen(client) else "none seen"
    except (RedisError, OSError) as error:  # also a user who may not write
        what = "takes no work" if isinstance(error, ResponseError) else "not reachable"
        return {"queue": f"{what} ({type(error).__name__}): {redis_client.reason(error)}"}
    return {"workers": workers, "queue": "ok"}


async def store(storage: Storage, min_free_bytes: int = MIN_FREE_BYTES) -> str:
    """Whether something can be stored at the moment: "ok" or what is wrong."""
    if storage.folder:
        return _folder(storage.folder, min_free_bytes)
    try:
        async with asyncio.timeout(STORE_S):
            await storage.probe()
    except TimeoutError:
        return f"does not answer within {STORE_S:g} s"
    except (BaseError, OSError) as error:
        return store_error(error)
    return "ok"


def _folder(folder: Path, min_free_bytes: int) -> str:
    if not os.access(folder, os.W_OK):
        return f"{folder} can't be written"
    free_bytes = shutil.disk_usage(folder).free
    return "ok" if free_bytes > min_free_bytes else f"only {free_bytes // 2**20} MB are left on the disk of {folder}"


DENIED = "access denied"
OTHER_REGION = re.compile(  # to HEAD, S3 answers without a word
    r"PermanentRedirect|AuthorizationHeaderMalformed|incorrectly configured region|performing HEAD .* status code: 400"
)
# What S3 calls the reason that it denies access.
DENIALS = {
    "InvalidAccessKeyId": "it does not know the access key",
    "SignatureDoesNotMatch": "the secret of the access key is wrong",
    "RequestTimeTooSkewed": "this machine's clock is wrong",
    "ExpiredToken": "the session token has expired",
    "InvalidToken": "the session token does not belong to this key",
    "NoSuchBucket": "there is no such bucket",
    "AllAccessDisabled": "the bucket is closed",
}


def store_error(error: BaseException) -> str:
    """An error of the object store in words, by its cause."""
    message = str(error)
    if (code := re.search(r"<Code>(\w+)</Code>", message)) and code[1] in DENIALS:
        return DENIALS[code[1]]
    if OTHER_REGION.search(message):
        return "the bucket is in another region: set IRISVUE_S3_REGION"
    if is_denied(error):
        return f"{DENIED}: look at the key, its rights on the bucket, and this machine's clock"
    if certificate := re.search(r"InvalidCertificate\(\s*(\w+)", message):
        return f"its certificate is not valid: {certificate[1].removesuffix('Context')}"
    if (isinstance(error, OSError) and error.errno == errno.ENOSPC) or "No space left" in message:
        return "the disk is full"
    return f"{type(error).__name__}: {message.splitlines()[0][:120] if message else ''}"


async def written(storage: Storage) -> str:
    """Write, read, list and delete an object: "ok" or what is wrong, with the right that a bucket's key lacks."""
    key, data = f"health/doctor-{uuid4()}", b"Irisvue was here."
    if (state := await store(storage)) != "ok" and not state.startswith(DENIED):
        return state
    steps: dict[str, Callable[[], Awaitable[object]]] = {
        "put": lambda: storage.put(key, data, "text/plain"),
        "get": lambda: storage.get(key),
        "list": lambda: storage.keys("health/"),
        "delete": lambda: storage.delete([key]),
    }
    lacking = []
    for step, work in steps.items():
        try:
            read = await work()
        except IrisvueError as error:
            words = store_error(error.__cause__ or error)
            if not words.startswith(DENIED):
                return words
            lacking.append(RIGHTS[step])
            if step == "put":
                break
        else:
            if step == "get" and read != data:
                return "what is read is not what was written"
    return f"the bucket's key lacks the right to {', '.join(lacking)}" if lacking else "ok"


async def certificate(url: str) -> str:
    """Whether the certificate of an https address is valid for two more weeks: "ok" or what is wrong."""
    parts = urlsplit(url)
    if parts.scheme != "https":
        return "ok"
    host, port = parts.hostname or "", parts.port or 443
    try:
        async with asyncio.timeout(CONNECT_S):
            _, writer = await asyncio.open_connection(host, port, ssl=ssl.create_default_context())
    except ssl.SSLCertVerificationError as error:
        return f"the certificate of {host} is not valid: {error.verify_message}"
    except (TimeoutError, OSError, socket.gaierror) as error:
        return f"{host}:{port} can't be reached from here ({type(error).__name__})"
    valid_until = writer.get_extra_info("peercert")["notAfter"]
    writer.close()
    remaining = datetime.fromtimestamp(ssl.cert_time_to_seconds(valid_until), UTC) - datetime.now(UTC)
    return "ok" if remaining.days >= RUNS_OUT_DAYS else f"the certificate of {host} runs out in {remaining.days} days"
