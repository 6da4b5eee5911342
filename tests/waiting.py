"""Polling with a deadline, instead of sleeping."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx

T = TypeVar("T")


async def until(found: Callable[[], Awaitable[T | None]], seconds: float = 60.0) -> T:
    """The first truthy answer of `found`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := await found():
            return answer
        await asyncio.sleep(0.02)
    raise AssertionError(f"nothing after {seconds} s")


async def submitted(api: httpx.AsyncClient, data: bytes) -> str:
    """Upload and submit; the job's id."""
    photo = await api.post("/api/v1/photos", files={"file": ("eye.jpg", data)})
    assert photo.status_code == 201, photo.text
    job = await api.post("/api/v1/processing/submit", json={"photo_id": photo.json()["id"]})
    assert job.status_code == 202, job.text
    return str(job.json()["job_id"])


async def ended(api: httpx.AsyncClient, job_id: str, seconds: float = 90.0) -> dict[str, Any]:
    """The job once it has ended."""

    async def look() -> dict[str, Any] | None:
        job: dict[str, Any] = (await api.get(f"/api/v1/processing/jobs/{job_id}")).json()
        return job if job["status"] in ("completed", "failed", "cancelled") else None

    return await until(look, seconds)
