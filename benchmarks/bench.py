"""What all measures share: a stack to measure, medians over runs, readings of processes."""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import psutil
from sqlalchemy import text

from export.drawing import eyes
from orchestrator.auth.tokens import make_token
from orchestrator.embedded.data_folder import settings_of
from orchestrator.embedded.stack import Options, Stack, open_stack
from orchestrator.pipeline.images import encode_jpeg
from orchestrator.services import Services, open_services

# So high that the machine is the only limit.
UNLIMITED = {
    "IRISVUE_USER_UNFINISHED_JOBS": "1000000",
    "IRISVUE_UNFINISHED_JOBS": "1000000",
    "IRISVUE_USER_STREAMS": "100000",
    "IRISVUE_STREAMS": "100000",
    "IRISVUE_USER_BYTES_A_DAY": str(2**50),
}


class NotMeasured(Exception):
    """Something that a measure needs is not installed; the message says what."""


@dataclass(frozen=True)
class Client:
    """A live stack, and an HTTP client of one user of it."""

    stack: Stack
    http: httpx.AsyncClient
    user: UUID

    @property
    def token(self) -> str:
        """The user's bearer token."""
        return self.http.headers["authorization"].removeprefix("Bearer ")

    async def photo(self, data: bytes) -> str:
        """Upload a photo; returns its id."""
        return str((await self.http.post("/api/v1/photos", files={"file": data})).json()["id"])

    async def submit(self, photo: str) -> str:
        """Submit a photo; returns the job's id."""
        return str((await self.http.post("/api/v1/processing/submit", json={"photo_id": photo})).json()["job_id"])

    async def job(self, job_id: str) -> dict[str, Any]:
        """The job as the API shows it."""
        job: dict[str, Any] = (await self.http.get(f"/api/v1/processing/jobs/{job_id}")).json()
        return job

    async def ended(self, job_id: str, every_s: float = 0.05) -> dict[str, Any]:
        """Wait until the job has ended; returns it."""
        while (job := await self.job(job_id))["status"] not in ("completed", "failed", "cancelled"):
            await asyncio.sleep(every_s)
        return job

    async def submits(self, photo: str, rate: int, seconds: float) -> list[float]:
        """Milliseconds of each submit; they go out at a steady rate (1/s), however slow the answers are."""
        ages_ms: list[float] = []

        async def submit() -> None:
            started = time.perf_counter()
            answer = await self.http.post("/api/v1/processing/submit", json={"photo_id": photo})
            assert answer.status_code == 202
            ages_ms.append((time.perf_counter() - started) * 1000)

        tasks, begun = [], time.perf_counter()
        for n in range(int(rate * seconds)):
            await asyncio.sleep(max(begun + n / rate - time.perf_counter(), 0))
            tasks.append(asyncio.create_task(submit()))
        await asyncio.gather(*tasks)
        return ages_ms

    def process(self, part: str) -> psutil.Process:
        """The process of one part of the stack."""
        return psutil.Process(self.stack.processes[part].pid)


@dataclass(frozen=True)
class Bench(Client):
    """Our stack with its services, and an HTTP client."""

    services: Services

    async def transactions(self) -> int:
        """How many transactions the database has ended so far."""
        async with self.services.db() as session:
            query = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()"
            return int((await session.execute(text(query))).scalar_one())


@asynccontextmanager
async def http_client(url: str, token: str) -> AsyncIterator[httpx.AsyncClient]:
    """Enough connections for many requests at once."""
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200)
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False, limits=limits) as http:
        yield http


@asynccontextmanager
async def bench(workers: int, inference: str = "local") -> AsyncIterator[Bench]:
    """A fresh stack in a temporary folder."""
    os.environ.update(UNLIMITED)
    with tempfile.TemporaryDirectory(prefix="irisvue-bench-") as folder:
        options = Options(Path(folder), workers=workers, inference=inference)  # type: ignore[arg-type]
        async with open_stack(options) as stack, open_services(settings_of(stack.folder)) as services:
            user = uuid4()
            async with http_client(stack.url, make_token(user, stack.env["IRISVUE_JWT_SECRET"])) as http:
                yield Bench(stack, http, user, services)


def eye(width: int = 480, height: int = 360, seed: int = 492) -> bytes:
    """A drawn close-up as JPEG."""
    return encode_jpeg(eyes.draw(seed, width, height, "closeup", mild=True).image)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which the given share of the values lies."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def summary(values: Sequence[float]) -> dict[str, float]:
    """Median, 99th percentile, maximum and count."""
    return {
        "p50": round(percentile(values, 0.5), 2),
        "p99": round(percentile(values, 0.99), 2),
        "max": round(max(values), 2),
        "n": len(values),
    }


def medians(runs: Iterable[dict[str, float]]) -> dict[str, float]:
    """The median of each figure over several runs."""
    rows = list(runs)
    return {key: round(statistics.median(row[key] for row in rows), 3) for key in rows[0]}


def machine() -> dict[str, Any]:
    """The machine that the figures come from."""
    model = next(
        (line.partition(": ")[2].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), ""
    )
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
        "python": sys.version.split()[0],
    }


def tree_pss(process: psutil.Process) -> int:
    """Memory of a process and its children in bytes (proportional set size)."""
    total = 0
    for member in [process, *process.children(recursive=True)]:
        try:
            total += member.memory_full_info().pss
        except psutil.Error:
            continue
    return total


class Watchers:
    """A client process with many open streams."""

    def __init__(self, stack: Stack, token: str, paths: list[str]) -> None:
        argv = [sys.executable, "-m", "benchmarks.watchers"]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        address = urlsplit(stack.url)
        self._send(json.dumps({"host": address.hostname, "port": address.port, "paths": paths, "token": token}))

    def _send(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    async def ask(self, command: str) -> Any:
        """Send a command and wait for its answer."""
        assert self._process.stdout
        self._send(command)
        return json.loads(await asyncio.to_thread(self._process.stdout.readline))

    async def close(self) -> None:
        """End the process."""
        self._send("close")
        await asyncio.to_thread(self._process.wait)
