"""What a person's app does, from the host: a signed PUT, a job, its stream, a signed GET."""

import base64
import json
from dataclasses import dataclass

import httpx

from irisvue import Client, Job

URL = "http://localhost:8000"


@dataclass(frozen=True)
class Processed:
    """A job at its end, the statuses that its stream gave, and the result's bytes."""

    job: Job
    statuses: list[str]
    picture: bytes


@dataclass(frozen=True)
class Person:
    """Somebody with a token."""

    token: str

    @property
    def id(self) -> str:
        """Their id: the token's subject."""
        body = self.token.split(".")[1]
        return str(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["sub"])

    def upload(self, photo: bytes) -> str:
        """Put a photo at a signed address of the object store; the photo's id."""
        headers = {"Authorization": f"Bearer {self.token}"}
        with httpx.Client(base_url=URL, headers=headers, timeout=60, trust_env=False) as http:
            given = http.post(
                "/api/v1/photos/uploads", json={"content_type": "image/jpeg", "size_bytes": len(photo)}
            ).raise_for_status()
            body = given.json()
            httpx.put(
                body["upload_url"], content=photo, headers=body["headers"], timeout=60, trust_env=False
            ).raise_for_status()
            return str(http.post(body["complete_url"]).raise_for_status().json()["id"])

    def process(self, photo: bytes) -> Processed:
        """The whole way of one photo. The stream is joined again wherever it breaks."""
        photo_id = self.upload(photo)
        with Client(URL, self.token, patience_s=120) as client:
            statuses = [event.status for event in client.watch(client.submit(photo_id, preview=True).job_id)]
            job = next(client.jobs(photo_id=photo_id))
            return Processed(job, statuses, self.result(job))

    def result(self, job: Job) -> bytes:
        """The picture, from its signed address."""
        with Client(URL, self.token, patience_s=120) as client:
            return client.result(client.job(job.job_id))
