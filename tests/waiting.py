"""Polling with a deadline, instead of sleeping."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx

T = TypeVar("T")


async def until(look: Callable[[], Awaitable[T | None]], seconds: float = 60.0) -> T:
    """The first truthy answer of `look`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := await look():
            return answer
        await asyncio.sleep(0.02)
    raise AssertionError(f"nothing after {seconds} s")


async def uploaded(api: httpx.AsyncClient, data: bytes) -> str:
    """Upload a photo; its id."""
    response = await api.post("/api/v1/photos", files={"file": ("eye.jpg", data)})
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def submitted(api: httpx.AsyncClient, data: bytes) -> str:
    """Upload a photo and submit it; the job's id."""
    response = await api.post("/api/v1/processing/submit", json={"photo_id": await uploaded(api, data)})
    assert response.status_code == 202, response.text
    return str(response.json()["job_id"])


async def ended(api: httpx.AsyncClient, job_id: str, seconds: float = 90.0) -> dict[str, Any]:
    """The job once it has ended."""

    async def look() -> dict[str, Any] | None:
        job: dict[str, Any] = (await api.get(f"/api/v1/processing/jobs/{job_id}")).json()
        return job if job["status"] in ("completed", "failed", "cancelled") else None

    return await until(look, seconds)
