"""A small client of the HTTP API, for the command line: send a photo, follow it, fetch what came out."""

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
RECONNECTS = 5


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
        files = {"file": (photo.name, photo.read_bytes())}
        uploaded = await self._json("POST", "/api/v1/photos", files=files)
        accepted = await self._json("POST", "/api/v1/processing/submit", json={"photo_id": uploaded["id"]})
        return str(accepted["job_id"])

    async def follow(self, job_id: str) -> AsyncIterator[dict[str, Any]]:
        """Progress events until the last one; a broken connection is resumed where it broke."""
        path, last_id = f"/api/v1/processing/jobs/{job_id}/events", ""
        for _ in range(RECONNECTS):
            headers = {"Last-Event-ID": last_id} if last_id else {}
            try:
                async with aconnect_sse(self._http, "GET", path, headers=headers) as source:
                    async for event in source.aiter_sse():
                        if not event.data:  # a heartbeat
                            continue
                        last_id = event.id or last_id
                        yield json.loads(event.data)
                        if event.event in LAST_STATES:
                            return
            except httpx.TransportError:
                continue
        raise ServerSays("The progress stream broke off several times.")

    async def fetch(self, job_id: str) -> Results:
        """The finished job, its result and its mask."""
        job = await self._json("GET", f"/api/v1/processing/jobs/{job_id}")
        async with httpx.AsyncClient(timeout=60, trust_env=False) as plain:  # links carry their own signature
            result = (await plain.get(job["result_url"])).raise_for_status().content
            mask = (await plain.get(job["mask_url"])).raise_for_status().content
        return Results(job, result, mask)
