"""The client for asyncio."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from irisvue._bars import Step, progress_bar
from irisvue._connection import Verify
from irisvue._errors import IrisvueError, JobFailed
from irisvue._given import Token
from irisvue._sources import Counted, OnProgress, Source, bytes_of, name_of
from irisvue._transport import Options, Transport
from irisvue._values import Event, Job, Photo, Share

Point = tuple[float, float]
Detail = Literal["natural", "crisp"]
Eyes = Literal["best", "all"]
SILENT_S = 45.0  # three heartbeats missed

WEEK_S = 7 * 24 * 3600


class AsyncClient:
    """`async with AsyncClient(url, token) as client: …`. Every method raises IrisvueError.

    Args:
        url: address of the API, without a path. Default: IRISVUE_URL.
        token: a bearer token, or a function that returns one and is called again after a 401. Default: IRISVUE_TOKEN.
        patience_s: how long `upload`, `submit` and `watch` keep trying while the server does not answer. One that has
            never answered is given up after two seconds.
        silent_s: how long a stream may be silent before its connection is taken for dead and made anew. The server has
            something to say every 15 seconds.
        verify: a file or folder of certificate authorities, an ssl.SSLContext, or False. Default: those of the machine
            or, where they are set, of SSL_CERT_FILE and SSL_CERT_DIR.
        language: of the words for people, as Accept-Language has it: de, or fr-CH, de;q=0.8. Default: English.
        proxy: address of a proxy. Default: those of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY),
            except for this machine itself.
        timeout_s: how long one request may go without a byte from the server.
    """

    def __init__(
        self,
        url: str | None = None,
        token: Token | None = None,
        patience_s: float = 60.0,
        silent_s: float = SILENT_S,
        verify: Verify = True,
        language: str | None = None,
        proxy: str | None = None,
        timeout_s: float = SILENT_S,
    ) -> None:
        self._transport = Transport(url, token, Options(patience_s, silent_s, timeout_s, verify, proxy, language))
        self.url = self._transport.url

    async def __aenter__(self) -> Self:
        """Open."""
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Close."""
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()

    # Photos
    async def upload(self, photo: Source, name: str | None = None, on_progress: OnProgress | None = None) -> Photo:
        """Upload a photo: JPEG, PNG, WebP, HEIC or AVIF. A broken connection is tried again, and makes no second photo.

        Args:
            photo: a path, an open file (in binary mode), or the bytes themselves.
            name: the file's name, for people.
            on_progress: called with the share that has been sent, 0–1.
        """
        data, filename = await bytes_of(photo), name or name_of(photo)
        key = secrets.token_hex(16)

        async def send() -> Photo:
            files = {"file": (filename, Counted(data, on_progress))}
            return Photo.of(await self._transport.json("POST", "/api/v1/photos", files=files, key=key))

        return await self._transport.patiently(send)

    async def photo(self, photo_id: str) -> Photo:
        """One photo."""
        return Photo.of(await self._transport.json("GET", f"/api/v1/photos/{photo_id}"))

    async def photos(self, *, status: str | None = None) -> AsyncIterator[Photo]:
        """All photos, newest first; `status`, pending, processing, completed or failed: only those."""
        query = {"ai_processing_status": status} if status else {}
        async for row in self._transport.pages("/api/v1/photos", "photos", query):
            yield Photo.of(row)

    async def delete_photos(self, photo_ids: Iterable[str]) -> list[str]:
        """Delete up to a hundred photos; returns those that were there."""
        answer = await self._transport.json("DELETE", "/api/v1/photos", params={"photo_id": list(photo_ids)})
        return [str(photo_id) for photo_id in answer["deleted"]]

    async def delete_photo(self, photo_id: str) -> None:
        """Delete a photo and everything made from it."""
        await self._transport.request("DELETE", f"/api/v1/photos/{photo_id}")

    # Jobs
    async def submit(
        self,
        photo_id: str,
        *,
        preview: bool = False,
        priority: str = "interactive",
        at: Point | None = None,
        detail: Detail | None = None,
        eyes: Eyes | None = None,
    ) -> Job:
        """Start processing a photo; `priority` is interactive or background.

        `at` says where the eye is: x and y, 0–1 of the upright photo's width and height. `detail` is crisp for all the
        detail that the network adds, natural for less; by default, what suits the photo. With `eyes` "all", another eye
        that is as good gets a job of its own when this one is completed, see `Job.other_eye_job_id`.
        """
        key = secrets.token_hex(16)
        body = {"photo_id": photo_id, "preview": preview, "priority": priority, **_said(at, detail, eyes)}

        async def send() -> Job:
            return Job.of(await self._transport.json("POST", "/api/v1/processing/submit", json=body, key=key))

        return await self._transport.patiently(send)

    async def submit_batch(
        self,
        photo_ids: Iterable[str],
        *,
        preview: bool = False,
        priority: str = "interactive",
        at: Point | None = None,
        detail: Detail | None = None,
        eyes: Eyes | None = None,
    ) -> list[Job]:
        """Start processing one to ten photos, all or none, in this order; the rest as in `submit`, for each of them."""
        body = {"photo_ids": list(photo_ids), "preview": preview, "priority": priority, **_said(at, detail, eyes)}
        accepted = await self._transport.json("POST", "/api/v1/processing/batch", json=body, key=secrets.token_hex(16))
        return [Job.of(row) for row in accepted["jobs"]]

    async def share(self, job_id: str, expires_in_s: int = WEEK_S) -> Share:
        """A link to a job's result that anyone may open, until it expires or is revoked."""
        path, body = f"/api/v1/processing/jobs/{job_id}/shares", {"expires_in_s": expires_in_s}
        return Share.of(await self._transport.json("POST", path, json=body, key=secrets.token_hex(16)))

    async def shares(self, job_id: str) -> list[Share]:
        """The links to a job's result that can be opened."""
        answer = await self._transport.json("GET", f"/api/v1/processing/jobs/{job_id}/shares")
        return [Share.of(row) for row in answer["shares"]]

    async def revoke(self, share: Share) -> None:
        """Close a link, at once."""
        await self._transport.request("DELETE", f"/api/v1/processing/jobs/{share.job_id}/shares/{share.id}")

    async def request(self, method: str, path: str, **options: Any) -> Any:
        """The JSON that any path of the API answers; `options` are httpx's."""
        return await self._transport.json(method, path, **options)

    def pages(self, path: str, name: str, query: dict[str, str]) -> AsyncIterator[dict[str, Any]]:
        """The rows of any list, from all of its pages."""
        return self._transport.pages(path, name, query)

    async def job(self, job_id: str) -> Job:
        """One job, with newly signed addresses."""
        return Job.of(await self._transport.json("GET", f"/api/v1/processing/jobs/{job_id}"))

    async def jobs(self, *, status: str | None = None, photo_id: str | None = None) -> AsyncIterator[Job]:
        """All jobs, newest first."""
        query = {name: value for name, value in {"status": status, "photo_id": photo_id}.items() if value}
        async for row in self._transport.pages("/api/v1/processing/jobs", "jobs", query):
            yield Job.of(row)

    async def reprocess(
        self, job_id: str, *, at: Point | None = None, detail: Detail | None = None, eyes: Eyes | None = None
    ) -> Job:
        """A new job for the same photo; the rest as in `submit`, and if left out, as for the old job."""
        path = f"/api/v1/processing/jobs/{job_id}/reprocess"
        body = _said(at, detail, eyes) or None
        return Job.of(await self._transport.json("POST", path, json=body, key=secrets.token_hex(16)))

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job that has not ended."""
        return Job.of(await self._transport.json("POST", f"/api/v1/processing/jobs/{job_id}/cancel"))

    # Progress
    async def watch(self, job_id: str) -> AsyncIterator[Event]:
        """A job's messages up to its last one. A broken connection is resumed where it broke."""
        async for message in self._transport.follow(f"/api/v1/processing/jobs/{job_id}/events"):
            event = Event.of(message)
            yield event
            if event.last:
                return

    async def watch_all(self) -> AsyncIterator[Event]:
        """Messages of all of the caller's jobs; never ends."""
        async for message in self._transport.follow("/api/v1/processing/events"):
            yield Event.of(message)

    async def process(self, photo: Source, *, show: bool = False, on_step: Step | None = None) -> Job:
        """Upload a photo, submit it, and follow the job to its end.

        Args:
            photo: a path, an open file (in binary mode), or the bytes themselves.
            show: draw a progress bar (needs the package rich).
            on_step: called with the percentage and the step in words.

        Raises:
            JobFailed: no picture was made; the error says why, and what to do.
        """
        with progress_bar(name_of(photo), show, on_step) as step:
            step(0, "Uploading...")
            uploaded = await self.upload(photo, on_progress=lambda share: step(5 * share, "Uploading..."))
            job = await self.submit(uploaded.id)
            async for event in self.watch(job.job_id):
                step(event.progress, event.step)
        ended = await self._transport.patiently(lambda: self.job(job.job_id))
        if ended.status != "completed":
            raise JobFailed(ended)
        return ended

    # Results
    async def result(self, job: Job) -> bytes:
        """The finished picture, a JPEG."""
        return await self._fetched(job.result_url or (await self.job(job.job_id)).result_url)

    async def mask(self, job: Job) -> bytes:
        """The iris with its pupil, a one-channel PNG on the upright photo's grid: 255 inside, 0 outside."""
        return await self._fetched(job.mask_url or (await self.job(job.job_id)).mask_url)

    async def save(self, job: Job, path: str | Path) -> Path:
        """Write the finished picture to a file; returns its path."""
        data = await self.result(job)
        await asyncio.to_thread(Path(path).write_bytes, data)
        return Path(path)

    async def _fetched(self, url: str | None) -> bytes:
        if url is None:
            raise IrisvueError("This job has no picture.", 404, "not_found")
        return await self._transport.fetch(url)


def _said(at: Point | None, detail: Detail | None, eyes: Eyes | None) -> dict[str, Any]:
    hint = {"x": at[0], "y": at[1]} if at else None
    return {name: value for name, value in {"at": hint, "detail": detail, "eyes": eyes}.items() if value}
