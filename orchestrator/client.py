"""A small client of the HTTP API, for the command line: send a photo, follow it, fetch what came out."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
from httpx_sse import aconnect_sse

from orchestrator.errors import IrisvueError

LAST_STATES = ("completed", "failed", "cancelled")
RECONNECT_AFTER_S = (0.2, 0.5, 1, 2, 3, 5, 5, 5, 5)


class ServerSays(IrisvueError):
    """The server refused the request."""

    code = "refused"


@dataclass(frozen=True)
class Results:
    """A finished job: its JSON and the bytes of its result and mask."""

    job: dict[str, Any]
    result: bytes
    mask: bytes


class Client:
    """`async with Client(url, token) as client: …`."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=60, trust_env=False)

    async def __aenter__(self) -> Self:
        """Open."""
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Close."""
        await self._http.aclose()

    async def _json(self, method: str, path: str, **more: Any) -> Any:
        try:
            response = await self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise ServerSays(f"{self._http.base_url} does not answer ({type(error).__name__}).") from error
        if response.is_error:
            try:
                raise ServerSays(response.json()["detail"])
            except (ValueError, KeyError, TypeError):
                raise ServerSays(f"The server answered {response.status_code}.") from None
        return response.json() if response.content else None

    async def submit(self, photo: Path) -> str:
        """Upload a photo and submit it; returns the job's id."""
        return await self.submit_bytes(await asyncio.to_thread(photo.read_bytes), photo.name)

    async def submit_bytes(self, data: bytes, name: str = "photo") -> str:
        """Upload the bytes of a photo and submit it; returns the job's id."""
        files = {"file": (name, data)}
        uploaded = await self._json("POST", "/api/v1/photos", files=files)
        accepted = await self._json("POST", "/api/v1/processing/submit", json={"photo_id": uploaded["id"]})
        return str(accepted["job_id"])

    async def follow(self, job_id: str) -> AsyncIterator[dict[str, Any]]:
        """Progress events until the last one; a broken connection is resumed where it broke.

        Raises ServerSays when the server refuses, or does not answer for about half a minute.
        """
        path, last_id, failed = f"/api/v1/processing/jobs/{job_id}/events", "", 0
        while failed < len(RECONNECT_AFTER_S):
            headers = {"Last-Event-ID": last_id} if last_id else {}
            try:
                async with aconnect_sse(self._http, "GET", path, headers=headers) as source:
                    if source.response.is_client_error:
                        raise ServerSays((await source.response.aread()).decode()[:300])
                    source.response.raise_for_status()
                    async for event in source.aiter_sse():
                        if not event.data:  # a heartbeat
                            continue
                        last_id, failed = event.id or last_id, 0
                        yield json.loads(event.data)
                        if event.event in LAST_STATES:
                            return
            except (httpx.TransportError, httpx.HTTPStatusError):
                pass
            await asyncio.sleep(RECONNECT_AFTER_S[failed])
            failed += 1
        raise ServerSays("The progress stream broke off several times.")

    async def fetch(self, job_id: str) -> Results:
        """The finished job, its result and its mask."""
        job = await self._json("GET", f"/api/v1/processing/jobs/{job_id}")
        async with httpx.AsyncClient(timeout=60, trust_env=False) as plain:  # links carry their own signature
            result = (await plain.get(job["result_url"])).raise_for_status().content
            mask = (await plain.get(job["mask_url"])).raise_for_status().content
        return Results(job, result, mask)
