"""The readers of bytes from outside: each target takes any bytes, and raises only where our code is wrong."""

import asyncio
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from uuid import UUID

import numpy as np
import pillow_heif
from PIL import Image
from redis.asyncio import Redis

from orchestrator import config_check
from orchestrator.config import ROOT, Settings, settings
from orchestrator.embedded import servers
from orchestrator.embedded.data_folder import secret
from orchestrator.embedded.ports import HOST
from orchestrator.embedded.supervisor import Process
from orchestrator.errors import IrisvueError, Refused, SetupError
from orchestrator.inference.protocol import SEGMENTER
from orchestrator.pipeline import images
from orchestrator.pipeline.header import MIN_SIDE_PX, read_header
from orchestrator.progress import events
from orchestrator.publishing.signature import read_signature

MAX_PIXELS = 1_000_000
JOB = UUID(int=1)


def photo(data: bytes) -> None:
    """A photo: refused in words, or decoded to what its header promised."""
    try:
        header = read_header(data, MAX_PIXELS)
        pixels = images.decode(data, MAX_PIXELS)
    except IrisvueError as error:
        assert error.detail and error.status in (413, 415, 422), error
        return
    assert pixels.dtype == np.uint8 and pixels.shape[2] == 3
    assert sorted(pixels.shape[:2]) == sorted((header.width, header.height))


def settings_of_a_process(data: bytes) -> None:
    """An environment, NAME=VALUE a line: read, or refused without showing a secret."""
    given = {}
    for line in data.decode("utf-8", "replace").replace("\0", "").splitlines():
        name, equals, value = line.partition("=")
        if equals and name.upper() in NAMES:
            given[f"IRISVUE_{name.upper()}"] = value.encode("utf-8", "replace").decode()
    hidden = {name: "x" * len(value) if name in SECRETS else value for name, value in given.items()}
    assert complaints_about(given) == complaints_about(hidden), "the message depends on a secret"


def address_with_a_password(data: bytes) -> None:
    """What stands around a password in an address: whatever is wrong there, no message shows a piece of it."""
    which, _, around = data.decode("utf-8", "replace").replace("\0", "").partition("\n")
    before, _, after = around.partition("\n")
    name = ADDRESSES[len(which) % len(ADDRESSES)]
    said = complaints_about({f"IRISVUE_{name}": f"{before}:{PASSWORD}@{after}"})
    pieces = [PASSWORD[at : at + 4] for at in range(len(PASSWORD) - 3)]
    assert not any(piece in said for piece in pieces), said


PASSWORD = "k#9/Wq?2Zx@7:V&0j=Yv"
ADDRESSES = [
    "DATABASE_URL", "REDIS_URL", "STORAGE_URL", "S3_ENDPOINT", "PUBLIC_URL", "JWKS_URL", "TRITON_URL", "OTLP_ENDPOINT",
    "MODEL_REPOSITORY", "REGIONS", "LOG_LEVEL", "WORKER_JOBS",
]  # fmt: skip


def complaints_about(values: dict[str, str]) -> str:
    with environment(values):
        try:
            config_check.read_settings()
        except SetupError as error:
            return error.detail + "".join(config_check.unknown_names())
    return ""


SECRETS = {
    f"IRISVUE_{name}"
    for name in ("JWT_SECRET", "LINK_SECRET", "S3_SECRET_ACCESS_KEY", "TRITON_CONTROL_KEY", "VAPID_KEY")
}
NAMES = {name.upper() for name in Settings.model_fields}


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("IRISVUE_")]:
        del os.environ[name]
    os.environ.update(values)
    settings.cache_clear()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        settings.cache_clear()


def config_pbtxt(data: bytes) -> None:
    """A model's config.pbtxt: a signature, or refused."""
    try:
        signature = read_signature(SEGMENTER, data)
    except Refused:
        return
    assert signature.filename and "/" not in signature.filename and signature.filename not in (".", "..")


def last_event_id(data: bytes) -> None:
    """Last-Event-ID, to a real Redis that keeps three events: those after it, in order."""
    given = data.decode("latin-1")[:64]
    loop, redis, ids = a_redis()
    replayed = loop.run_until_complete(events.replay(redis, events.job_stream(JOB), given))
    after = [event.id for event in replayed]
    assert after == ids[len(ids) - len(after) :], "the newest events, without a gap"
    assert all(events.order(i) > events.order(given) for i in after)


@cache
def a_redis() -> tuple[asyncio.AbstractEventLoop, Redis, list[str]]:
    """A Redis for this process's lifetime."""
    loop, folder = asyncio.new_event_loop(), Path(tempfile.mkdtemp(prefix="irisvue-fuzz-"))
    spec = servers.redis(folder)

    async def begin() -> tuple[Redis, list[str]]:
        process = Process(spec)
        await process.start()
        redis = Redis.from_url(f"redis://:{secret(folder, 'redis')}@{HOST}:{spec.port}/0")

        async def ready() -> bool:
            try:
                return bool(await redis.ping())
            except Exception:
                return False

        await process.until_ready(ready)
        bodies = [events.message(JOB, "processing", share, "Working...") for share in (10, 40, 60)]
        return redis, [await events.publish(redis, JOB, 1, body) for body in bodies]

    redis, ids = loop.run_until_complete(begin())
    return loop, redis, ids


def planted(data: bytes) -> None:
    """Fails by design, so that a fuzzer which finds nothing is noticed."""
    if data[:1] == b"e" and data[1:2] == b"y" and data[2:3] == b"e":
        raise AssertionError("an eye")


TARGETS: dict[str, Callable[[bytes], None]] = {
    "photo": photo,
    "settings": settings_of_a_process,
    "address": address_with_a_password,
    "config_pbtxt": config_pbtxt,
    "last_event_id": last_event_id,
}


def seeds(target: str) -> dict[str, bytes]:
    """The inputs that the fuzzer starts from."""
    if target == "photo":
        return _pictures()
    if target == "settings":
        lines = [f"{name}={example}" for name, example in config_check.EXAMPLES.items()]
        return {"all": "\n".join(lines).encode(), **{line.partition("=")[0]: line.encode() for line in lines}}
    if target == "address":
        heads = ["postgresql+asyncpg://u", "redis://", "s3://key", "https://u", "https://u", "https://u", "triton"]
        tails = ["h:5432/db?sslmode=require", "h:6379/0", "bucket/prefix", "h", "h/?a=b", "h/jwks.json", "h:8001"]
        pairs = enumerate(zip(heads, tails, strict=True))
        return {ADDRESSES[at]: f"{'.' * at}\n{head}\n{tail}".encode() for at, (head, tail) in pairs}
    if target == "config_pbtxt":
        return {path.parent.name: path.read_bytes() for path in (ROOT / "model_repository").glob("*/config.pbtxt")}
    if target == "last_event_id":
        return {"first": b"0-0", "late": b"99999999999999-1", "made-up": b"abc", "long": b"1" * 64}
    return {"nothing": b"iris"}


def _pictures() -> dict[str, bytes]:
    pillow_heif.register_heif_opener()
    pixels = np.random.default_rng(0).integers(0, 256, (MIN_SIDE_PX, MIN_SIDE_PX, 3)).astype(np.uint8)
    picture, exif = Image.fromarray(pixels), Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "A phone"
    coded = {}
    for kind, more in {
        "JPEG": {"exif": exif},
        "PNG": {"exif": exif},
        "WEBP": {"exif": exif},
        "HEIF": {},
        "AVIF": {},
    }.items():
        with io.BytesIO() as file:
            picture.save(file, kind, **more)
            coded[kind.lower()] = file.getvalue()
    with io.BytesIO() as file:
        picture.quantize(16).save(file, "PNG", transparency=3)
        coded["palette.png"] = file.getvalue()
    return coded
