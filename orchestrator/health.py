"""What keeps the service from working, said by its cause: for `/health/ready` and `irisvue doctor`."""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import uuid4

from orchestrator import db, queue
from orchestrator.db.migrations import behind
from orchestrator.errors import IrisvueError
from orchestrator.progress.events import UNREACHABLE
from orchestrator.services import Services

SKEW_S = 5.0
RUNS_OUT_DAYS = 14
CONNECT_S = 5.0


def cause_of(error: BaseException) -> str:
    """The kind of an error, and its own words where it is about a certificate."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return f"its certificate is not valid: {seen.verify_message}"
        seen = seen.__cause__ or seen.__context__
    return type(error).__name__


async def database(services: Services, now: Callable[[], float] = time.time) -> dict[str, str]:
    """Whether the database answers, knows the newest tables, and has the same time; "ok" or what is wrong, by name."""
    found: dict[str, str] = {}
    try:
        async with services.db() as session:
            asked = now()
            theirs = await db.server.clock(session)
            ours = (asked + now()) / 2
            found["migrations"] = behind(await db.server.revision(session)) or "ok"
    except db.UNAVAILABLE as error:
        return {"database": f"not reachable ({cause_of(error)})"}
    return {"database": "ok", **found, "clock": skew(ours, theirs)}


def skew(ours: float, theirs: float) -> str:
    """In words, how far this machine's clock is from the database's; both in Unix seconds."""
    apart = ours - theirs
    if abs(apart) <= SKEW_S:
        return "ok"
    return f"{abs(apart):.0f} s {'ahead of' if apart > 0 else 'behind'} the database's: let both follow NTP"


async def redis(services: Services) -> dict[str, str]:
    """Whether Redis answers, and whether a worker has been seen."""
    try:
        workers = "ok" if await queue.worker_seen(services.redis) else "none seen"
    except UNREACHABLE as error:
        return {"queue": f"not reachable ({cause_of(error)})"}
    return {"workers": workers, "queue": "ok"}


async def written(services: Services) -> str:
    """Write, read and delete an object; "ok" or what is wrong."""
    key, data = f"health/doctor-{uuid4()}", b"Irisvue was here."
    if trouble := await services.storage.trouble():
        return trouble
    try:
        await services.storage.put(key, data, "text/plain")
        same = await services.storage.get(key) == data
        await services.storage.delete([key])
    except IrisvueError as error:
        return services.storage.words(error.__cause__ or error)
    return "ok" if same else "what is read is not what was written"


async def certificate(url: str) -> str:
    """Whether the certificate of an https address is valid for two weeks more; "ok" or what is wrong."""
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
    until = writer.get_extra_info("peercert")["notAfter"]
    writer.close()
    left = datetime.fromtimestamp(ssl.cert_time_to_seconds(until), UTC) - datetime.now(UTC)
    return "ok" if left.days >= RUNS_OUT_DAYS else f"the certificate of {host} runs out in {left.days} days"
