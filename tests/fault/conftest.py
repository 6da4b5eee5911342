"""A separate stack whose processes may be killed; it has no worker, each test starts the ones it needs."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest

from irisvue import AsyncClient
from orchestrator import db, photos, queue
from orchestrator.config import Settings
from orchestrator.db.tables import Job
from orchestrator.embedded.stack import Options, Stack
from orchestrator.inference.checks import checked_segmentation
from orchestrator.inference.onnx import OnnxInfer
from orchestrator.inference.protocol import Infer, Pixels, Segmentation
from orchestrator.pipeline.decoder import Decoder
from orchestrator.pipeline.images import encode_jpeg
from orchestrator.services import Services
from orchestrator.worker.attempt import process
from orchestrator.worker.context import Context
from tests.conftest import drawn_eye, live_stack

StartWorker = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with live_stack(Options(tmp_path_factory.mktemp("fault"), workers=0)) as opened:
        yield opened


@pytest.fixture(scope="session")
def config(stack: Stack) -> Settings:
    return Settings.model_validate({k.removeprefix("IRISVUE_").lower(): v for k, v in stack.env.items()})


@pytest.fixture(scope="session")
def eye_jpeg() -> bytes:
    return encode_jpeg(drawn_eye(492, 320, 240).image)


@pytest.fixture
async def api(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {stack.token}"}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[AsyncClient]:
    """A client that has been answered once, and so waits with all its patience for a server that restarts."""
    async with AsyncClient(stack.url, stack.token) as opened:
        await opened.request("GET", "/api/v1/models")
        yield opened


@pytest.fixture
def start_worker(stack: Stack, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts worker processes; those still running at the end of the test are ended."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**env: str) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "orchestrator.cli", "worker"]
        log = (tmp_path / f"worker-{len(started)}.log").open("wb")
        worker = subprocess.Popen(argv, env=os.environ | stack.env | env, stderr=log)
        log.close()
        started.append(worker)
        return worker

    yield start
    for worker in started:
        if worker.poll() is None:
            worker.send_signal(signal.SIGCONT)
            worker.terminate()
        worker.wait(30)


@dataclass
class Faulty:
    """A real provider of which, after the first `good`, `times` segmentations fail in one way."""

    real: Infer
    error: Exception | None = None
    nan: bool = False
    times: int = 10**9
    good: int = 0
    provider: str = "faulty"
    versions: dict[str, str] = field(default_factory=dict)
    available: dict[str, list[str]] = field(default_factory=dict)
    on_busy: Any = None
    calls: int = 0
    tiles: int = 0
    segment_px: int = 0
    tile_px: int = 0
    reach_px: int = 0

    def __post_init__(self) -> None:
        self.segment_px, self.tile_px, self.reach_px = self.real.segment_px, self.real.tile_px, self.real.reach_px

    def pinned(self, versions: Mapping[str, str], background: bool = False) -> "Faulty":
        return self

    async def segment(self, images: Pixels) -> Segmentation:
        self.calls += 1
        segmentation = await self.real.segment(images)
        if not self.good < self.calls <= self.good + self.times:
            return segmentation
        if self.error:
            raise self.error
        if self.nan:
            n, side = len(images), self.segment_px
            wrong = np.full((n, side, side, 4), np.nan, np.float32)
            return checked_segmentation(
                [wrong, segmentation.reflection[..., None], segmentation.presence[:, None]], n, side
            )
        return segmentation

    async def upscale(self, tile: Pixels) -> Pixels:
        self.tiles += 1
        return await self.real.upscale(tile)

    async def preview(self, image: Pixels) -> Pixels | None:
        return await self.real.preview(image)

    async def ready(self) -> bool:
        return True

    async def aclose(self) -> None:
        return


@pytest.fixture
def local(services: Services) -> OnnxInfer:
    return OnnxInfer(Path(services.settings.model_repository))


@pytest.fixture
async def decoder() -> AsyncIterator[Decoder]:
    async with Decoder(2, 2 * 1024**3, 60_000_000) as opened:
        yield opened


@pytest.fixture
async def pending(services: Services, eye_jpeg: bytes) -> AsyncIterator[Job]:
    """A committed job that is not in the queue."""
    user = uuid4()
    photo = await photos.add_photo(services, user, eye_jpeg)
    async with services.db.begin() as session:
        (job,) = (await db.submission.add_jobs(session, user, [photo.id], "interactive")).accepted
    yield job
    await photos.delete_photo(services, user, photo.id)


async def row(services: Services, job_id: UUID) -> Job:
    async with services.db() as session:
        job = await session.get(Job, job_id)
    assert job
    return job


async def queued(services: Services, job_id: UUID) -> list[str]:
    ids = [i.decode() for i in await services.redis.zrange(queue.QUEUE, 0, -1)]
    return [i for i in ids if i.startswith(str(job_id))]


async def attempt(services: Services, infer: Infer, decoder: Decoder, job: Job) -> None:
    """Do what a worker does with a job from the queue."""
    await process({"context": Context(services, infer, decoder), "job_id": queue.name(job.id, 1)}, str(job.id))
